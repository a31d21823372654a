/*
 * Opens the sockets that the server listens on. Names are never looked up: a listener's address is the operator's, and
 * start must not wait for DNS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/server.h"
#include "serve/server_internal.h"

#define BACKLOG 128

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

/* Fills the address of "HOST:PORT"; false if it cannot be read. */
static bool address_parse(const char *text, union address *ret, socklen_t *ret_size) {
    char host[64];
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || !str_to_int64(colon + 1, &port) || port < 0 || port > UINT16_MAX)
        return false;
    size_t host_size = (size_t)(colon - text);
    bool has_brackets = host_size >= 2 && text[0] == '[' && colon[-1] == ']';
    if (host_size >= sizeof(host))
        return false;
    memcpy(host, text + has_brackets, host_size - 2 * has_brackets);
    host[host_size - 2 * has_brackets] = '\0';
    *ret = (union address){0};
    if (has_brackets || host[0] == '\0') {
        ret->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        *ret_size = sizeof(ret->v6);
        return !has_brackets || inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
    }
    ret->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    *ret_size = sizeof(ret->v4);
    return inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, &ret->v4.sin_addr) == 1;
}

static enum err_class fail(struct error *err, int fd, const char *what, const char *where) {
    error_set(err, ERR_PERMANENT, "%s %s: %s", what, where, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ERR_PERMANENT;
}

enum err_class listener_open_tcp(const char *listen_address, int *ret_fd, uint16_t *ret_port, struct error *err) {
    union address address;
    socklen_t size;
    if (!address_parse(listen_address, &address, &size))
        return error_set(err, ERR_PERMANENT,
                         "listen address \"%s\": want ADDRESS:PORT with a numeric address, like 127.0.0.1:8080, "
                         "[::1]:8080 or :8080",
                         listen_address);
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(address.any.sa_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && listen_address[0] == ':') { /* A machine without IPv6: all of IPv4. */
        in_port_t port = address.v6.sin6_port;
        address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        size = sizeof(address.v4);
        fd = socket(AF_INET, type, 0);
    }
    if (fd < 0)
        return fail(err, fd, "listen on", listen_address);
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &address.any, size) != 0 || listen(fd, BACKLOG) != 0 || getsockname(fd, &address.any, &size) != 0)
        return fail(err, fd, "listen on", listen_address);
    *ret_port = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    *ret_fd = fd;
    return ERR_NONE;
}

bool server_socket_answers(const char *path) {
    union address address = {.un = {.sun_family = AF_UNIX}};
    if (!str_copy(address.un.sun_path, sizeof(address.un.sun_path), path))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* Not known: rather fail than take it from a living process. */
    /* EAGAIN: somebody listens, but has not accepted for so long that the queue is full. */
    bool answers = connect(fd, &address.any, sizeof(address.un)) == 0 || errno == EAGAIN;
    close(fd);
    return answers;
}

enum err_class listener_open_unix(const char *path, int *ret_fd, struct error *err) {
    union address address = {.un = {.sun_family = AF_UNIX}};
    socklen_t size = sizeof(address.un);
    if (!str_copy(address.un.sun_path, sizeof(address.un.sun_path), path))
        return error_set(err, ERR_PERMANENT, "socket %s: the path is longer than the %zu bytes a socket may have", path,
                         sizeof(address.un.sun_path) - 1);
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return error_set(err, ERR_PERMANENT, "socket %s: a file that is no socket stands there", path);
        if (server_socket_answers(path))
            return error_set(err, ERR_CONFLICT, "socket %s: another instance is running on it", path);
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(err, fd, "socket", path);
    /* The mode of the open descriptor is what bind gives to the file, less the umask: no moment with a wider one. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 || bind(fd, &address.any, size) != 0)
        return fail(err, fd, "socket", path);
    if (chmod(path, S_IRUSR | S_IWUSR) != 0 || listen(fd, BACKLOG) != 0)
        return fail(err, fd, "socket", path);
    *ret_fd = fd;
    return ERR_NONE;
}
