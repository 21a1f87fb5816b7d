/* api/http_stream.c: answers in pieces, whose number nobody knows beforehand. */
#include "api/http_internal.h"

/* MHD copies at most so much at once; what a connection's own memory allows is less. */
#define COPY_BYTES_MAX 65536

/* The next piece, or what else is to be said to MHD. */
static ssize_t take_piece(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    if (atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        return MHD_CONTENT_READER_END_WITH_ERROR; /* Whoever would be asked may be gone. */
    }
    switch (request->more(request)) {
    case PW_PIECE_NEXT:
        assert(request->answer_body.len > 0);
        http_stage(loop, request->kept, PW_STAGE_SEND);
        return 0;
    case PW_PIECE_LATER:
        request->phase = PHASE_PAUSED;
        http_stage(loop, request->kept, PW_STAGE_COUNT);
        MHD_suspend_connection(request->connection);
        return 0;
    case PW_PIECE_END: return MHD_CONTENT_READER_END_OF_STREAM;
    default: return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

static ssize_t on_room(void *self, uint64_t at, char *ret_bytes, size_t room)
{
    struct pw_http_request *request = self;
    (void)at;
    request->loop->call_count++;
    if (request->piece_sent_bytes == request->answer_body.len) {
        if (request->answer_body.len > 0) {
            request->answer_body = (struct pw_str){NULL, 0};
            request->piece_sent_bytes = 0;
            pw_arena_reset(&request->piece_arena);
        }
        ssize_t said = take_piece(request);
        if (said != 0 || request->phase == PHASE_PAUSED) {
            return said;
        }
    }
    size_t bytes = request->answer_body.len - request->piece_sent_bytes;
    bytes = bytes < room ? bytes : room;
    memcpy(ret_bytes, request->answer_body.ptr + request->piece_sent_bytes, bytes);
    request->piece_sent_bytes += bytes;
    return (ssize_t)bytes;
}

struct MHD_Response *http_stream_response(struct pw_http_request *request)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, COPY_BYTES_MAX, on_room, request,
                                             NULL);
}

void http_stream_resume(struct pw_http_request *request)
{
    request->phase = PHASE_SENT;
    http_stage(request->loop, request->kept, PW_STAGE_SEND);
    MHD_resume_connection(request->connection);
}
