// What every main shares: exit statuses, --version, the text after a usage mistake, and an honest
// end of standard output.
#ifndef BITLET_CLI_H
#define BITLET_CLI_H

enum cli_exit { CLI_OK = 0, CLI_INPUT = 1, CLI_USAGE = 2, CLI_BUG = 70 };

// Prints "<tool> (Bitlet) <version>" and gives CLI_OK.
int cli_version(const char *tool);
// Prints a tool's help on standard output and gives CLI_OK.
int cli_help(const char *text);
// Prints "<tool>: error[usage]: <message>" and where help is found, and gives CLI_USAGE.
int cli_usage(const char *tool, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// After getopt_long has printed its own message.
int cli_usage_hint(const char *tool);
// Flushes standard output. Gives `status`, or CLI_INPUT with a message when what was printed could
// not be written.
int cli_finish(const char *tool, int status);

#endif
