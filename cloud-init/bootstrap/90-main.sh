record() {
  step=record
  put "$ETC/bootstrap.json" 0644 <<END
{"digest": "$1"}
END
}

main() {
  digest=
  only_check=no
  unset ask_domain ask_dashboard ask_expose
  while [ $# -gt 0 ]; do
    case $1 in
      --digest) digest=$2; shift 2 ;;
      --check) only_check=yes; shift ;;
      --domain)
        [ -n "${2-}" ] || refuse "--domain wants a name"
        ask_domain=$2
        shift 2
        ;;
      --no-domain) ask_domain=; shift ;;
      --dashboard) ask_dashboard=yes; shift ;;
      --no-dashboard) ask_dashboard=no; shift ;;
      --expose) ask_expose=yes; shift ;;
      --no-expose) ask_expose=no; shift ;;
      --no-web) ask_domain='' ask_dashboard=no ask_expose=no; shift ;;
      *) refuse "unknown argument: $1" ;;
    esac
  done
  trap leaving EXIT
  exec 2>&1 # one stream: what a program complains about stands where it happened
  check
  web_settings
  if [ "$only_check" = yes ]; then
    say "this machine can be a host"
    return 0
  fi
  case $digest in *[!0-9a-f]*) digest= ;; esac
  [ "${#digest}" -eq 64 ] || refuse "--digest must be a sha256"
  exec 9>/run/action-llama-bootstrap.lock
  flock -w 600 9 || fail "another bootstrap runs here and does not end"
  packages
  authorities
  accounts
  folders
  docker_engine
  journal
  upgrades
  swap
  ssh_server
  web_prepare
  firewall
  ufw_rules
  web_serve
  record "$digest"
  if [ "$changed" = yes ]; then say "done"; else say "unchanged"; fi
}

# The last line: a script that was cut off on its way here defines functions and does nothing.
main "$@" </dev/null
