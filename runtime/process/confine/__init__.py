"""What a bundle and its sessions are held by: Landlock and seccomp, of the kernel alone."""
