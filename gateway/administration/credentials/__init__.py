"""How people prove to the console that they are who they say: passwords, codes, one-time links, sessions, lock-outs."""
