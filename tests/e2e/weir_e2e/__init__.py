"""What the end-to-end tests are written with: the running system, its admin API, fake providers and tenants."""
