"""Hetzner Cloud, through its own Python package hcloud. API: https://docs.hetzner.cloud."""
