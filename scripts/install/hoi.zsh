#compdef hoi
# Completion of hoi for zsh: options, devices, scripts, and the options that a script's help names.
_hoi_devices() {
    local -a devices
    devices=(cpu gpu ${(f)"$($service --devices 2>/dev/null | grep -oE '^ *[0-9]+')"})
    compadd -- ${devices// /}
}
_hoi_script() {
    local -a options
    if [[ $PREFIX == -* && -f ${words[1]} ]]; then
        options=(${(fu)"$(hoi ${words[1]} --help </dev/null 2>/dev/null | grep -oE -- '--[a-z][a-z-]*')"})
        compadd -- $options
    else
        _files
    fi
}
_arguments -S \
    '*-e[run code]:code:' \
    '*-l[require a module]:module:' \
    '-i[enter the prompt after the script]' \
    '(-v --version)'{-v,--version}'[print the version]' \
    '-W[turn warnings on]' \
    '-E[ignore environment variables]' \
    '--device[compute on a device]:device:_hoi_devices' \
    '--devices[list the devices]' \
    '--profile[print the time of each kernel at the end]' \
    '--help[print a short help]' \
    '1:script:_files -g "*.lua(-.)"' \
    '*::argument:_hoi_script'
