# Completion of hoi for bash: options, devices, scripts, and the options that a script's help names.
_hoi() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} script="" i
    local options="-e -l -i -v -W -E --device --devices --help --profile --version"
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -e | -l | --device) ((i++)) ;;
        -*) ;;
        *)
            script=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    if [[ -z $script && $before == --device ]]; then
        local count
        count=$("$1" --devices 2>/dev/null | wc -l)
        mapfile -t COMPREPLY < <(compgen -W "cpu gpu $(seq "$count")" -- "$word")
    elif [[ -z $script && $before == -[el] ]]; then
        return
    elif [[ -z $script && $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ -n $script && $word == -* && -f $script ]]; then
        options=$("$1" "$script" --help </dev/null 2>/dev/null | grep -oE -- '--[a-z][a-z-]*')
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word" | sort -u)
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _hoi hoi
