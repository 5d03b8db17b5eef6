/*
 * mreg completion: prints the script of a shell, which is embedded when mreg is built.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "embed.h"

int cmd_completion(struct cli *cli)
{
    static const char *const shells[] = {"bash", "zsh", "fish", NULL};
    struct err e = {0};
    const char *shell = cli->args[0];
    for (const struct embed_file *f = embed_shell; f->name; f++) {
        if (strncmp(f->name, "mreg.", 5) != 0 || strcmp(f->name + 5, shell) != 0)
            continue;
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:s, s:s%}", "shell", shell, "script", (const char *)f->bytes, f->length);
        if (cli->out.is_json)
            cli_json(cli, j);
        else
            fwrite(f->bytes, 1, f->length, stdout);
        return EXIT_DONE;
    }
    const char *near = json_nearest(shell, shells);
    err_set(&e, ERR_INVALID, "no completion for \"%.40s\"; %s%s", shell,
            near ? "did you mean " : "there are bash, zsh and fish", near ? near : "");
    return cli_fail(cli, &e);
}
