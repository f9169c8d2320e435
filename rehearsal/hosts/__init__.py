"""The local hosts of the rehearsal: a Debian with systemd and sshd in podman for each instance of the local AWS."""
