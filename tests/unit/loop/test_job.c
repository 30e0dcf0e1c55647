#include "test.h"

#include "loop/job.h"

struct result {
	int worked, done;
	bool ran;
};

static void
work(void *arg)
{
	struct result *r = arg;

	r->worked++;
}

static void
done(void *arg, bool ran)
{
	struct result *r = arg;

	r->done++;
	r->ran = ran;
}

TEST(job, runs_once_and_reports_on_the_loop)
{
	struct result r = { 0 };
	uv_loop_t loop;
	struct err e;

	CHECK_INT(uv_loop_init(&loop), ==, 0);
	CHECK_INT(job_start(&loop, work, done, &r, NULL, &e), ==, 0);
	CHECK_INT(r.done, ==, 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(r.worked, ==, 1);
	CHECK_INT(r.done, ==, 1);
	CHECK(r.ran);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}

TEST(job, cancelled_one_is_reported_too)
{
	struct result r = { 0 };
	struct job *j;
	uv_loop_t loop;
	struct err e;

	CHECK_INT(uv_loop_init(&loop), ==, 0);
	CHECK_INT(job_start(&loop, work, done, &r, &j, &e), ==, 0);
	job_cancel(j);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	CHECK_INT(r.done, ==, 1);
	CHECK_INT(r.ran, ==, r.worked == 1);
	CHECK_INT(uv_loop_close(&loop), ==, 0);
}
