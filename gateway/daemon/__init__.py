"""The running gateway: roles in processes of their own, and the supervisor that keeps them."""
