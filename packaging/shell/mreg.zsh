#compdef mreg
# zsh completion of mreg. Install it as share/zsh/site-functions/_mreg, or:
#     source <(mreg completion zsh)
# What could stand next is asked of mreg itself; here the answer is only fitted to zsh.

_mreg() {
    local line value text
    local -a values texts suffix
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        text=${line#*$'\t'}
        case $value in
        :files) _files ;;
        :folders) _files -/ ;;
        :nospace) suffix=(-S '') ;;
        *)
            values+=("$value")
            [[ -n $text ]] && texts+=("$value -- $text") || texts+=("$value")
            ;;
        esac
    done < <($words[1] __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#values )) && compadd -Q -l -V mreg $suffix -d texts -- "${(@q)values}"
}

if [[ $funcstack[1] == _mreg ]]; then
    _mreg "$@"
elif (( $+functions[compdef] )); then
    compdef _mreg mreg
fi
