#include "loop/job.h"

#include <stdlib.h>

#include "base/mem.h"

struct job {
	uv_work_t req;
	void (*work)(void *arg);
	void (*done)(void *arg, bool ran);
	void *arg;
};

static void
on_work(uv_work_t *req)
{
	struct job *j = req->data;

	j->work(j->arg);
}

static void
on_done(uv_work_t *req, int status)
{
	struct job *j = req->data;
	void (*done)(void *, bool) = j->done;
	void *arg = j->arg;

	free(j);
	done(arg, status == 0);
}

int
job_start(uv_loop_t *loop, void (*work)(void *arg),
    void (*done)(void *arg, bool ran), void *arg, struct job **out,
    struct err *e)
{
	struct job *j = NEW(struct job);
	int rc;

	j->work = work;
	j->done = done;
	j->arg = arg;
	j->req.data = j;
	rc = uv_queue_work(loop, &j->req, on_work, on_done);
	if (rc < 0) {
		free(j);
		return err_set(
		    e, ERR_INTERNAL, "start a worker: %s", uv_strerror(rc));
	}
	if (out != NULL)
		*out = j;
	return 0;
}

void
job_cancel(struct job *j)
{
	(void)uv_cancel((uv_req_t *)&j->req);
}
