# Shows what an agent sees. Every line printed here is a line of `al logs hello`.
set -eu

prompt=$(cat)

# The parameters: the line between <agent-config> and </agent-config>.
params=$(printf '%s\n' "$prompt" | sed -n '/^<agent-config>$/{n;p;q;}')
printf '%s\n' "$(printf '%s' "$params" | jq -r .greeting)"

# A file of the agent's folder, named by a parameter. The working directory is that folder.
cat "$(printf '%s' "$params" | jq -r .notes)"

# The blocks of the prompt, and its last line, which says why this run was started.
printf 'blocks: %s\n' "$(printf '%s\n' "$prompt" | sed -n 's/^<\([a-z-]*\)>$/\1/p' | paste -s -d ' ' -)"
printf 'prompt: %s\n' "$(printf '%s\n' "$prompt" | tail -n 1)"

printf 'run %s of %s, trigger %s, user %s\n' "${AL_RUN:-?}" "${AL_AGENT:-?}" "${AL_TRIGGER:-?}" "$(id -u)"
