#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cli_version(const char *tool)
{
    printf("%s (Bitlet) %s\n", tool, BITLET_VERSION);
    return cli_finish(tool, CLI_OK);
}

int cli_help(const char *text)
{
    fputs(text, stdout);
    return cli_finish("help", CLI_OK);
}

int cli_usage_hint(const char *tool)
{
    fprintf(stderr, "%s: try '%s --help'\n", tool, tool);
    return CLI_USAGE;
}

int cli_usage(const char *tool, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s: error[usage]: ", tool);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return cli_usage_hint(tool);
}

int cli_finish(const char *tool, int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "%s: error[io-write]: cannot write standard output: %s\n", tool,
            strerror(errno ? errno : EIO));
    return status != CLI_OK ? status : CLI_INPUT;
}
