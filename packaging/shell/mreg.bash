# bash completion of mreg. Install it as share/bash-completion/completions/mreg, or:
#     source <(mreg completion bash)
# What could stand next is asked of mreg itself; here the answer is only fitted to bash.

_mreg() {
    local line=${COMP_LINE:0:COMP_POINT} word value rest prefix=
    local -a words
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]} - 1]}
    # bash takes "fraud@" of "fraud@7" for a word of its own when '@' breaks words: it stays out.
    rest=${word##*[@:=]}
    if [[ $rest != "$word" ]]; then
        value=${word%"$rest"}
        [[ $COMP_WORDBREAKS == *"${value: -1}"* ]] && prefix=$value
    fi
    while IFS=$'\t' read -r value rest; do
        case $value in
        :files) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$word") ;;
        :folders) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$word") ;;
        :nospace) compopt -o nospace 2>/dev/null ;;
        *) COMPREPLY+=("${value#"$prefix"}") ;;
        esac
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -o filenames -o nosort -F _mreg mreg
