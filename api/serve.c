/* api/serve.c: `proctorwise serve`: a node, until a signal ends it. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/log.h"
#include "api/node.h"
#include "api/verbs.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* What systemd waits for with Type=notify; nothing where it does not run us. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* An abstract socket. */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0) {
        if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, bytes) <
            0) {
            pw_log(PW_LOG_WARNING, "node", PW_LOG_NO_PARTITION, NULL, "systemd cannot be told");
        }
        close(fd);
    }
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Other threads block the signals, so that they reach this one's sigsuspend. */
static void wait_for_signal(const sigset_t *open_mask)
{
    while (!stop) {
        sigsuspend(open_mask);
    }
}

static void print_addresses(const struct pw_config *config, const struct pw_service *service)
{
    bool tls = pw_config_text(config, PW_CONFIG_TLS_CERT_FILE)[0] != '\0';
    char host[256] = "";
    char port[8] = "";
    pw_address_split(pw_str_of(pw_config_text(config, PW_CONFIG_HTTP_LISTEN)), host, sizeof host,
                     port, sizeof port);
    bool v6 = strchr(host, ':') != NULL;
    printf("API    %s://%s%s%s:%u/v1\n", tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
           pw_http_port(service->public_server));
    pw_address_split(pw_str_of(pw_config_text(config, PW_CONFIG_ADMIN_LISTEN)), host, sizeof host,
                     port, sizeof port);
    v6 = strchr(host, ':') != NULL;
    printf("admin  http://%s%s%s:%u\n", v6 ? "[" : "", host, v6 ? "]" : "",
           pw_http_port(service->admin_server));
    fflush(stdout);
}

static int run(const struct pw_config *config)
{
    struct pw_node *node = NULL;
    struct pw_err err = {0};
    sigset_t signals;
    sigset_t open_mask;
    watch_signals();
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_SETMASK, NULL, &open_mask);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    sigdelset(&open_mask, SIGTERM);
    sigdelset(&open_mask, SIGINT);
    enum pw_code code = pw_node_start(config, &stop, &node, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    print_addresses(config, pw_node_service(node));
    pw_log(PW_LOG_INFO, "node", PW_LOG_NO_PARTITION, NULL, "%s serves",
           pw_node_service(node)->node_id);
    notify("READY=1");
    wait_for_signal(&open_mask);
    notify("STOPPING=1");
    pw_log(PW_LOG_INFO, "node", PW_LOG_NO_PARTITION, NULL, "drains");
    pw_node_stop(node);
    pw_log(PW_LOG_INFO, "node", PW_LOG_NO_PARTITION, NULL, "has stopped");
    return PW_EXIT_GOOD;
}

int pw_verb_serve(int argc, char **argv)
{
    struct pw_config config;
    struct pw_err err = {0};
    bool check = false;
    struct pw_flag flags[] = {PW_FLAG_SWITCH("check", check)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        enum pw_code code = pw_config_check(&config, &err);
        pw_log_init(pw_config_text(&config, PW_CONFIG_LOG_LEVEL));
        if (code == PW_OK && check) {
            code = pw_node_check(&config, &err);
        }
        if (code != PW_OK) {
            result = pw_verb_fail(code, err.detail);
        } else if (check) {
            puts("good");
        } else {
            result = run(&config);
        }
    }
    pw_config_close(&config);
    return result;
}
