"""What a sysadmin does to a site itself: make it, introduce partners, change keys, check it."""
