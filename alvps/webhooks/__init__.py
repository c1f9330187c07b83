"""Webhooks, as far as they need no network, no disk and no clock: who signed, what happened, which trigger asks for it.

In the order in which a delivery meets them: `verify.looks_signed` before its body is read, `verify.verify` over the raw
bytes, `delivery.delivery_id`, `parse.parse`, then `match.match` for each trigger. `providers.PROVIDERS` is what all of
them know about the senders. Nothing is imported here: a project is validated with the table alone.
"""
