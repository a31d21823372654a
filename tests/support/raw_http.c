/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/support/raw_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connected(int fd, const struct sockaddr *address, socklen_t size) {
    if (connect(fd, address, size) == 0)
        return fd;
    close(fd);
    return -1;
}

int raw_http_connect_tcp(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connected(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

int raw_http_connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    return connected(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

void raw_http_exchange(uv_loop_t *loop, int fd, struct bytes request, struct buf *reply) {
    buf_clear(reply);
    uint64_t give_up_ns = uv_hrtime() + 5000000000u;
    size_t sent = 0;
    char piece[4096];
    while (uv_hrtime() < give_up_ns) {
        if (sent < request.size) {
            ssize_t size = send(fd, request.data + sent, request.size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += size > 0 ? (size_t)size : 0;
        }
        uv_run(loop, UV_RUN_NOWAIT);
        ssize_t size = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (size > 0)
            buf_append(reply, piece, (size_t)size);
        else if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            break;
        else if (sent == request.size)
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
    }
    close(fd);
}

const char *raw_http_body(const struct buf *reply) {
    const char *end = strstr(buf_text(reply), "\r\n\r\n");
    return end ? end + 4 : "";
}
