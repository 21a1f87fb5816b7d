/* eventstore/secret_file.c: files that hold a secret key. */
#include "eventstore/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* As PostgreSQL has it for its server key; a systemd credential is root's, and readable by an ACL that looks like a group's right. */
static enum pw_code mode_check(int fd, const char *path, struct pw_err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s is no file", path);
    }
    if (status.st_uid != 0 && status.st_uid != geteuid()) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%s must belong to root, or to who runs this program", path);
    }
    mode_t refused = status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((status.st_mode & refused) != 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "%s has mode %04o, must be 0600, so that nobody else reads it", path,
                       (unsigned)(status.st_mode & 07777));
    }
    return PW_OK;
}

/* Reads until the end or until room is full; -1 on an error. */
static ssize_t read_whole(int fd, uint8_t *data, size_t room)
{
    size_t bytes = 0;
    while (bytes < room) {
        ssize_t got = read(fd, data + bytes, room - bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        bytes += (size_t)got;
    }
    return (ssize_t)bytes;
}

enum pw_code pw_secret_file_read(const char *path, void *ret_data, size_t room, size_t *ret_bytes,
                                 struct pw_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s", path, strerror(errno));
    }
    enum pw_code code = mode_check(fd, path, err);
    ssize_t bytes = code == PW_OK ? read_whole(fd, ret_data, room) : 0;
    if (bytes < 0) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s", path, strerror(errno));
    }
    close(fd);
    *ret_bytes = bytes < 0 ? 0 : (size_t)bytes;
    return code;
}
