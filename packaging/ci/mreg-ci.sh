#!/bin/sh
# Push a model, take it live, wait for the outcome: the same for every CI. Needs the command mreg and plain sh.
#
#   MREG_URL, MREG_TOKEN  the registry and a token (pusher and deployer, or admin)
#   MREG_CI_MODEL         name of the model
#   MREG_CI_PATH          file or folder to push; empty: nothing is pushed, MREG_CI_REF goes live
#   MREG_CI_REF           version or alias to take live when nothing is pushed (latest)
#   MREG_CI_ENVIRONMENT   where it goes live; empty: it is only pushed
#   MREG_CI_ALIAS         alias for the pushed version
#   MREG_CI_METRICS       metrics of the pushed version: "auc=0.941 f1=0.87"
#   MREG_CI_POLICY        file with policy members for this rollout
#   MREG_CI_REASON        goes into the history
#   MREG_CI_TIMEOUT       how long to wait for the outcome (30m)
#   MREG_CI_ON_APPROVAL   when people have to agree first: pass (the job ends well, the rollout goes on by itself
#                         once they have), wait, or fail (pass)
#   MREG_CI_RESULT        file for the results as NAME=value lines (mreg-result.env)
#   MREG_CI_COMMAND       the command (mreg)
#
# Results: MREG_CI_MODEL, _VERSION, _ROLLOUT and _OUTCOME: pushed, already, live, approval-pending, running, not-live,
# push-failed, promote-failed or watch-failed.
# Exit code: 0 done, or it waits for an approval and MREG_CI_ON_APPROVAL is pass; 10 rolled back or ended otherwise;
# 11 still running after MREG_CI_TIMEOUT; 14 waits for an approval (fail); else that of the mreg command that failed.
set -eu

cli=${MREG_CI_COMMAND:-mreg}
result=${MREG_CI_RESULT:-mreg-result.env}
version='' rollout=''

say() { echo "mreg-ci: $*" >&2; }

# put NAME VALUE: into the result file and into what the CI offers.
put() {
    printf '%s=%s\n' "$1" "$2" >>"$result"
    if [ -n "${GITHUB_OUTPUT:-}" ]; then
        printf '%s=%s\n' "$(echo "${1#MREG_CI_}" | tr '[:upper:]' '[:lower:]')" "$2" >>"$GITHUB_OUTPUT"
    fi
    if [ -n "${CIRCLECI:-}" ] && [ -n "${BASH_ENV:-}" ]; then
        printf 'export %s=%s\n' "$1" "$2" >>"$BASH_ENV"
    fi
}

# finish OUTCOME CODE TEXT
finish() {
    put MREG_CI_OUTCOME "$1"
    say "$3"
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
        printf '**mreg** %s: %s\n' "$1" "$3" >>"$GITHUB_STEP_SUMMARY"
    fi
    if [ "$2" -ne 0 ] && [ -n "${GITHUB_ACTIONS:-}" ]; then
        printf '::error title=mreg::%s\n' "$3"
    fi
    exit "$2"
}

# Options go through "set --", so that blanks in values survive.
push() {
    set -- push "$MREG_CI_MODEL" "$MREG_CI_PATH"
    if [ -n "${MREG_CI_ALIAS:-}" ]; then set -- "$@" --alias "$MREG_CI_ALIAS"; fi
    if [ -n "${MREG_CI_REASON:-}" ]; then set -- "$@" --reason "$MREG_CI_REASON"; fi
    for metric in ${MREG_CI_METRICS:-}; do set -- "$@" --metric "$metric"; done
    code=0
    line=$("$cli" "$@") || code=$?
    if [ "$code" -ne 0 ]; then finish push-failed "$code" "the push failed"; fi
    ref=$(printf '%s\n' "$line" | cut -f 1)
    version=${ref##*@}
    put MREG_CI_VERSION "$version"
    say "pushed $ref"
}

promote() {
    set -- promote "$1" "$MREG_CI_ENVIRONMENT"
    if [ -n "${MREG_CI_POLICY:-}" ]; then set -- "$@" --policy "$MREG_CI_POLICY"; fi
    if [ -n "${MREG_CI_REASON:-}" ]; then set -- "$@" --reason "$MREG_CI_REASON"; fi
    code=0
    rollout=$("$cli" "$@") || code=$?
    if [ "$code" -ne 0 ] && [ "$code" -ne 14 ]; then
        finish promote-failed "$code" "the rollout was not accepted"
    fi
    rollout=$(printf '%s\n' "$rollout" | head -n 1 | cut -f 1)
    if [ -z "$rollout" ]; then finish already 0 "that version is live in $MREG_CI_ENVIRONMENT already"; fi
    put MREG_CI_ROLLOUT "$rollout"
}

watch() {
    set -- rollout watch "$rollout" --timeout "${MREG_CI_TIMEOUT:-30m}"
    if [ "${MREG_CI_ON_APPROVAL:-pass}" != wait ]; then set -- "$@" --until-approval; fi
    code=0
    "$cli" "$@" >&2 || code=$?
    case $code in
    0) finish live 0 "$rollout: live in $MREG_CI_ENVIRONMENT" ;;
    10) finish not-live 10 "$rollout did not go live: it was rolled back or ended" ;;
    11) finish running 11 "$rollout still goes on after ${MREG_CI_TIMEOUT:-30m}" ;;
    14)
        if [ "${MREG_CI_ON_APPROVAL:-pass}" = fail ]; then
            finish approval-pending 14 "$rollout waits for an approval"
        fi
        finish approval-pending 0 "$rollout waits for an approval and goes on by itself after it"
        ;;
    *) finish watch-failed "$code" "$rollout could not be followed; it goes on" ;;
    esac
}

case ${MREG_CI_ON_APPROVAL:-pass} in
pass | wait | fail) ;;
*)
    say "MREG_CI_ON_APPROVAL is pass, wait or fail, not \"$MREG_CI_ON_APPROVAL\""
    exit 2
    ;;
esac
for name in MREG_URL MREG_TOKEN MREG_CI_MODEL; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then
        say "$name is not set"
        exit 2
    fi
done
: >"$result"
put MREG_CI_MODEL "$MREG_CI_MODEL"
if [ -n "${MREG_CI_PATH:-}" ]; then push; fi
if [ -z "${MREG_CI_ENVIRONMENT:-}" ]; then finish pushed 0 "nothing more to do: MREG_CI_ENVIRONMENT is not set"; fi
promote "$MREG_CI_MODEL@${version:-${MREG_CI_REF:-latest}}"
watch
