# fish completion of mreg. Install it as share/fish/vendor_completions.d/mreg.fish, or:
#     mreg completion fish | source
# What could stand next is asked of mreg itself; here the answer is only fitted to fish.

function __mreg_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] $word 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path $word
            case ':folders'
                __fish_complete_directories $word
            case ':*'
            case '*'
                echo $line
        end
    end
end

complete -c mreg -f -a '(__mreg_complete)'
