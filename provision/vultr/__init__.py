"""Vultr: a small client of its API v2, shaped like hcloud, and the adapter that makes it a Cloud (cloud.py).

The API's own description: https://www.vultr.com/api/
"""
