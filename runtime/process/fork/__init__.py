"""What a zygote prepares, so that its children share what they may and have the rest for themselves."""
