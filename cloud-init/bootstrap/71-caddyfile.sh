# Never as root: it reads its certificates, and makes an authority's key where one is missing.
as_caddy() { runuser -u caddy -- env -i HOME=/var/lib/caddy PATH="$PATH" caddy "$@"; }

# Caddy's configuration, to stdout; for Caddy 2.6 and later.
caddyfile() {
  protocols=h1
  internal=
  # Browsers want HTTP/2, senders of webhooks do not: without the dashboard there is that much less to attack.
  if [ "$dashboard" = yes ]; then protocols='h1 h2'; fi
  if [ "$tls" = internal ]; then internal='
	tls internal'; fi
  cat <<END
# Written by the bootstrap for https://$domain; change what it says with: al env web NAME
{
	admin unix//run/caddy/admin.sock
	skip_install_trust
	auto_https disable_redirects
	grace_period 10s
	servers {
		protocols $protocols
		max_header_size 16KB
		# How large a body may be and how long it may take is for the daemon to say (60 s): it is sent on as it comes.
		# Who stops in the middle of one that the daemon has refused already is let go by the time here.
		timeouts {
			read_header 10s
			read_body 90s
			idle 1m
		}
	}
	# Nothing of a request, should one be in a line: addresses and signatures are nobody's business.
	log {
		format filter {
			wrap console
			fields {
				request delete
				resp_headers delete
			}
		}
	}
}

# The daemon's listener belongs to systemd, so what comes while the daemon restarts waits there. A connection for each
# request: one that is kept could be closed by a daemon that stops, in the moment when a request is sent on it. A push
# that changes the listener itself closes it for a moment: then it is tried again.
(patience) {
	lb_try_duration 15s
	lb_try_interval 100ms
	transport http {
		keepalive off
		compression off
	}
}

https://$domain {$internal
	header {
		-Server
		Strict-Transport-Security "max-age=31536000"
	}
	@webhooks {
		method POST
		path_regexp ^/webhooks/[a-z0-9_-]+/?\$
	}
	handle @webhooks {
		reverse_proxy 127.0.0.1:8080 {
			import patience
		}
	}
	@health {
		method GET
		path_regexp ^/(health|ready)\$
	}
	handle @health {
		reverse_proxy 127.0.0.1:8080 {
			import patience
		}
	}
END
  if [ "$dashboard" = yes ]; then
    cat <<'END'
	# Who has no session gets no further than its login (docs/dashboard.md).
	handle {
		request_body {
			max_size 2MB
		}
		reverse_proxy 127.0.0.1:8081 {
			import patience
		}
	}
END
  else
    cat <<'END'
	handle {
		respond 404
	}
END
  fi
  cat <<END
	handle_errors {
		header -Server
		respond "" {err.status_code}
	}
}

# Whoever comes by another name finds nobody.
https:// {
	header -Server
	respond 404
}

http:// {
	header -Server
	@here host $domain
	redir @here https://$domain{uri} 308
	respond 404
}
END
}
