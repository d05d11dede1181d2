/* What a host can ask for, audio apart: the answer to each kind of message. */
#ifndef WATCHWORD_REQUESTS_H
#define WATCHWORD_REQUESTS_H

#include "session.h"

/* Answer a request, or say in an error what is wrong with it. */
void request_serve(session *s, const session_frame *frame);

#endif
