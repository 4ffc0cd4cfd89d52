// ring is the relay of floor.c on io_uring: what a relay takes that is told of bytes instead of descriptors that have some. It accepts, connects to the servers in turn, and carries bytes and ends of streams both ways.
//
//	ring LOOPS ADDRESS:PORT SERVER:PORT...
//
// Each socket has one receive that goes on for as long as bytes come (multishot), into buffers from one ring of them. A send takes the buffer as it is; the next one of a direction waits until it has gone, since
// sends that have to wait for room may overtake each other. All that is asked for in a turn goes to the kernel in the one call that also waits.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRIES = 1024, BACKLOG = 4096, BUFFERS = 2048, BUFFER = 8 << 10, SERVERS = 64, NOBODY = -1 };
enum kind { ACCEPT, CONNECT, RECEIVE, SEND }; // in the low bits of a completion's word; the rest is the end it is about

// end is one of a connection's two sockets, and the bytes that wait to be sent to it.
struct end {
	int fd;
	int receiving, sending; // asked of the kernel and not completed
	int over;               // its stream has ended
	int shut;               // it was told that the other's has
	int first, last;        // buffers to be sent to it, a list by after; NOBODY
	struct end *other;
	struct conn *conn;
	struct end *next_starved;
};

struct conn {
	struct end client, server;
	int broken;
};

static struct io_uring ring;
static struct io_uring_buf_ring *free_buffers;
static char *buffers;
static int after[BUFFERS], length[BUFFERS], sent[BUFFERS], taken;
static struct end *starved; // their receives ended for want of buffers
static int listener;
static struct sockaddr_in servers[SERVERS];
static int server_count, next_server;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static struct sockaddr_in address(char *text) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	char *port = strrchr(text, ':');
	if (port == NULL || (*port = 0, a.sin_port = htons(atoi(port + 1)), inet_pton(AF_INET, text, &a.sin_addr)) != 1) {
		fprintf(stderr, "%s: no IPv4 address and port\n", text);
		exit(1);
	}
	return a;
}

// entry is the next place to ask something of the kernel. It goes there with the next wait, or when there is no more room.
static struct io_uring_sqe *entry(void) {
	struct io_uring_sqe *s = io_uring_get_sqe(&ring);
	if (s == NULL) {
		io_uring_submit(&ring);
		if ((s = io_uring_get_sqe(&ring)) == NULL)
			die("io_uring_get_sqe");
	}
	return s;
}

static void ask_accept(void) {
	struct io_uring_sqe *s = entry();
	io_uring_prep_multishot_accept(s, listener, NULL, NULL, SOCK_CLOEXEC);
	s->user_data = ACCEPT;
}

static void ask_receive(struct end *from) {
	struct io_uring_sqe *s = entry();
	io_uring_prep_recv_multishot(s, from->fd, NULL, 0, 0);
	s->flags |= IOSQE_BUFFER_SELECT;
	s->ioprio |= IORING_RECVSEND_POLL_FIRST; // nobody has said anything yet, as a rule
	s->buf_group = 0;
	s->user_data = (uintptr_t)from | RECEIVE;
	from->receiving = 1;
}

static void ask_send(struct end *to) {
	int b = to->first;
	struct io_uring_sqe *s = entry();
	io_uring_prep_send(s, to->fd, buffers + (size_t)b * BUFFER + sent[b], length[b] - sent[b], MSG_NOSIGNAL);
	s->user_data = (uintptr_t)to | SEND;
	to->sending = 1;
}

// put_back gives a buffer back to the receives, and lets those go on that had none.
static void put_back(int b) {
	io_uring_buf_ring_add(free_buffers, buffers + (size_t)b * BUFFER, BUFFER, b, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(free_buffers, 1);
	if (--taken > BUFFERS / 2)
		return;
	while (starved != NULL) {
		struct end *e = starved;
		starved = e->next_starved;
		ask_receive(e);
	}
}

static void drop_waiting(struct end *to) {
	while (to->first != NOBODY) {
		int b = to->first;
		to->first = after[b];
		put_back(b);
	}
}

static void end_of(struct end *e, int fd, struct conn *c, struct end *other) {
	*e = (struct end){.fd = fd, .first = NOBODY, .other = other, .conn = c};
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// bury frees a connection that nothing is asked for any more.
static void bury(struct conn *c) {
	if (c->client.receiving || c->client.sending || c->server.receiving || c->server.sending)
		return;
	drop_waiting(&c->client);
	drop_waiting(&c->server);
	close(c->client.fd);
	close(c->server.fd);
	free(c);
}

// give_up ends a connection that has failed: what is asked for completes then.
static void give_up(struct conn *c) {
	if (!c->broken) {
		c->broken = 1;
		shutdown(c->client.fd, SHUT_RDWR);
		shutdown(c->server.fd, SHUT_RDWR);
	}
	bury(c);
}

// pass_end hands an end of stream on, behind the bytes before it. The second is handed on by the close.
static void pass_end(struct end *from) {
	struct end *to = from->other;
	if (!from->over || to->first != NOBODY || to->shut)
		return;
	to->shut = 1;
	if (from->shut)
		bury(from->conn);
	else
		shutdown(to->fd, SHUT_WR);
}

static void on_accept(int fd) {
	if (fd < 0)
		return;
	struct conn *c = calloc(1, sizeof *c);
	int up = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c == NULL || up < 0) {
		free(c);
		close(up);
		close(fd);
		return;
	}
	end_of(&c->client, fd, c, &c->server);
	end_of(&c->server, up, c, &c->client);
	struct io_uring_sqe *s = entry();
	io_uring_prep_connect(s, up, (struct sockaddr *)&servers[next_server++ % server_count], sizeof servers[0]);
	s->user_data = (uintptr_t)&c->server | CONNECT;
	c->server.sending = 1;
}

static void on_connect(struct end *server, int error) {
	server->sending = 0;
	if (error < 0)
		return give_up(server->conn);
	ask_receive(server->other);
	ask_receive(server);
}

static void on_receive(struct end *from, int n, unsigned flags) {
	struct end *to = from->other;
	int b = flags & IORING_CQE_F_BUFFER ? (int)(flags >> IORING_CQE_BUFFER_SHIFT) : NOBODY;
	taken += b != NOBODY;
	from->receiving = (flags & IORING_CQE_F_MORE) != 0;
	if (from->conn->broken || n <= 0) {
		if (b != NOBODY)
			put_back(b);
		if (from->conn->broken)
			return bury(from->conn);
		if (n == -ENOBUFS) {
			from->next_starved = starved;
			starved = from;
			from->receiving = 1; // as far as its connection's life is concerned
			return;
		}
		if (n < 0)
			return give_up(from->conn);
		from->over = 1;
		return pass_end(from);
	}
	after[b] = NOBODY;
	length[b] = n;
	sent[b] = 0;
	if (to->first == NOBODY)
		to->first = b;
	else
		after[to->last] = b;
	to->last = b;
	if (!to->sending)
		ask_send(to);
	if (!from->receiving)
		ask_receive(from);
}

static void on_send(struct end *to, int n) {
	int b = to->first;
	to->sending = 0;
	if (n < 0 || to->conn->broken)
		return give_up(to->conn);
	if ((sent[b] += n) == length[b]) {
		to->first = after[b];
		put_back(b);
	}
	if (to->first != NOBODY)
		ask_send(to);
	else
		pass_end(to->other);
}

static void open_ring(void) {
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE, .cq_entries = 8 * ENTRIES};
	if ((errno = -io_uring_queue_init_params(ENTRIES, &ring, &p)) != 0)
		die("io_uring_setup");
	void *memory;
	if (posix_memalign(&memory, 4096, BUFFERS * sizeof(struct io_uring_buf)) != 0 || (buffers = malloc((size_t)BUFFERS * BUFFER)) == NULL)
		die("memory");
	free_buffers = memory;
	io_uring_buf_ring_init(free_buffers);
	struct io_uring_buf_reg all = {.ring_addr = (uintptr_t)free_buffers, .ring_entries = BUFFERS};
	if ((errno = -io_uring_register_buf_ring(&ring, &all, 0)) != 0)
		die("io_uring_register");
	taken = BUFFERS;
	for (int i = 0; i < BUFFERS; i++)
		put_back(i);
}

static void loop(struct sockaddr_in *at) {
	int on = 1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(listener, (struct sockaddr *)at, sizeof *at) < 0 || listen(listener, BACKLOG) < 0)
		die("listen");
	open_ring();
	ask_accept();
	for (;;) {
		io_uring_submit_and_wait(&ring, 1);
		struct io_uring_cqe *done;
		unsigned head, n = 0;
		io_uring_for_each_cqe(&ring, head, done) {
			struct end *e = (struct end *)(uintptr_t)(done->user_data & ~7ULL);
			n++;
			switch (done->user_data & 7) {
			case ACCEPT:
				on_accept(done->res);
				if (!(done->flags & IORING_CQE_F_MORE))
					ask_accept();
				break;
			case CONNECT:
				on_connect(e, done->res);
				break;
			case RECEIVE:
				on_receive(e, done->res, done->flags);
				break;
			case SEND:
				on_send(e, done->res);
			}
		}
		io_uring_cq_advance(&ring, n);
	}
}

int main(int argc, char **argv) {
	int loops = argc > 1 ? atoi(argv[1]) : 0;
	if (loops < 1 || argc < 4 || argc - 3 > SERVERS) {
		fprintf(stderr, "usage: ring LOOPS ADDRESS:PORT SERVER:PORT...\n");
		return 1;
	}
	struct sockaddr_in at = address(argv[2]);
	for (int i = 3; i < argc; i++)
		servers[server_count++] = address(argv[i]);
	for (int i = 0; i < loops; i++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); // a loop ends with its parent
			next_server = i;
			loop(&at);
		}
	}
	wait(NULL); // a loop never ends by itself unless something is wrong: then none shall go on
	return 1;
}
