"""What the front process costs per session, beside a socket that is only read: CPU and memory."""
