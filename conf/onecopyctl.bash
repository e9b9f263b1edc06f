# bash completion of onecopyctl: commands, options, and of commands that want a group the numbers that `list` knows.

_onecopyctl() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= control=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket) control=(--socket "${COMP_WORDS[++i]}") ;;
            -*) ;;
            *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    if [[ $previous == --socket || $command == analyze && $word != -* ]]; then
        COMPREPLY=($(compgen -f -- "$word"))
        compopt -o filenames 2>/dev/null
        return
    fi
    local words=
    case $command in
        "") words="status list show why release retry drop forget reload pause resume top analyze --socket --json --help --version" ;;
        list) words="held queued failed all" ;;
        release | retry) words="--all $(_onecopyctl_groups "${control[@]}")" ;;
        drop) words="--yes $(_onecopyctl_groups "${control[@]}")" ;;
        show | why | forget) words=$(_onecopyctl_groups "${control[@]}") ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}

_onecopyctl_groups() {
    onecopyctl "$@" list all 2>/dev/null | sed -n 's/^\([0-9][0-9]*\) .*/\1/p'
}

complete -F _onecopyctl onecopyctl
