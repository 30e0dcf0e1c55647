/*
 * task: what is to be run once more before the loop sleeps.
 *
 * The streams of HTTP/2 wake each other without descriptors: whoever has
 * something for another queues it here, so that nothing runs inside a callback
 * of nghttp2, nothing recurses, and what one turn gathers leaves in one write.
 */
#include "proxy/px.h"

void
px_task_queue(struct px *px, struct px_task *t)
{
	if (t->at != NULL)
		return;
	t->next = NULL;
	t->at = px->tasks_end;
	*t->at = t;
	px->tasks_end = &t->next;
}

void
px_task_drop(struct px *px, struct px_task *t)
{
	if (t->at == NULL)
		return;
	*t->at = t->next;
	if (t->next != NULL)
		t->next->at = t->at;
	else
		px->tasks_end = t->at;
	t->at = NULL;
}

void
px_tasks_run(struct px *px)
{
	while (px->tasks != NULL) {
		struct px_task *t = px->tasks;

		px_task_drop(px, t);
		t->run(t->owner);
	}
}
