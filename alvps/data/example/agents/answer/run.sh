# The request stands in the prompt between <user-prompt> and </user-prompt>; without one there is no such block.
set -eu

request=$(sed -n '/^<user-prompt>$/,/^<\/user-prompt>$/p' | sed '1d;$d')

if [ -n "$request" ]; then
    printf 'You asked: %s\n' "$request"
else
    printf 'You asked nothing. Try: al run answer -m "Are you there?"\n'
fi
