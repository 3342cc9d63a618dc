"""Which files a bundle may use: what everybody has, what was installed, what is kept back."""
