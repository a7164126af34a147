"""A LAN, a cluster and a scenario: production cores on the fake kernel and a virtual clock."""
