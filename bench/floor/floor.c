// floor is the least that a TCP relay on epoll can do: it accepts, connects to the servers in turn, and carries bytes and ends of streams both ways. No time limits, no log, no
// health checks, no memory of clients. It is the practical limit that the benchmark compares proxies with, so it does everything in the plain way: nothing is deferred, and nothing
// left out that a byte or the end of a stream needs.
//
//	floor LOOPS ADDRESS:PORT SERVER:PORT...
//
// LOOPS processes each have a listening socket of their own on the same address (SO_REUSEPORT) and an epoll instance of their own. Every connection is two sockets, each
// registered once, edge-triggered, for everything; epoll_wait is the only call that waits.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 256, BACKLOG = 4096, BUFFER = 64 << 10, SERVERS = 64 };

// end is one of a connection's two sockets, and the bytes that wait to be sent to it.
struct end {
	int fd;
	int readable;          // there may be something to read: set by an event, cleared by a read that empties the socket
	int over;              // its stream has ended
	char *wait;            // bytes read from the other end that this one does not take yet, or NULL
	size_t wait_len, wait_off;
	struct end *other;
	struct conn *conn;
};

struct conn {
	struct end client, server;
	int connected, dead;
	struct conn *next_dead;
};

static int ep, listener;
static struct sockaddr_in servers[SERVERS];
static int server_count, next_server;
static struct conn *dead; // closed in this batch of events, later ones of which may still name them
static char buffer[BUFFER];

static void die(const char *what) {
	perror(what);
	exit(1);
}

static struct sockaddr_in address(char *text) {
	struct sockaddr_in a = {.sin_family = AF_INET};
	char *port = strrchr(text, ':');
	if (port == NULL) {
		fprintf(stderr, "%s: no port\n", text);
		exit(1);
	}
	*port = 0;
	a.sin_port = htons(atoi(port + 1));
	if (inet_pton(AF_INET, text, &a.sin_addr) != 1) {
		fprintf(stderr, "%s: no IPv4 address\n", text);
		exit(1);
	}
	return a;
}

static void no_delay(int fd) {
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void close_both(struct conn *c) {
	if (c->dead)
		return;
	c->dead = 1;
	close(c->client.fd);
	close(c->server.fd);
	c->next_dead = dead;
	dead = c;
}

static void bury(void) {
	while (dead != NULL) {
		struct conn *c = dead;
		dead = c->next_dead;
		free(c->client.wait);
		free(c->server.wait);
		free(c);
	}
}

// give sends bytes to an end. What it does not take waits. It returns 0, or -1 if the connection is broken.
static int give(struct end *to, const char *bytes, size_t n) {
	ssize_t sent = send(to->fd, bytes, n, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN)
			return -1;
		sent = 0;
	}
	if ((size_t)sent == n)
		return 0;
	if ((to->wait = malloc(n - sent)) == NULL)
		return -1;
	memcpy(to->wait, bytes + sent, n - sent);
	to->wait_len = n - sent;
	to->wait_off = 0;
	return 0;
}

// give_waiting sends what waits. It returns 0, or -1 if the connection is broken.
static int give_waiting(struct end *to) {
	ssize_t sent = send(to->fd, to->wait + to->wait_off, to->wait_len - to->wait_off, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -1;
	to->wait_off += sent;
	if (to->wait_off == to->wait_len) {
		free(to->wait);
		to->wait = NULL;
	}
	return 0;
}

// carry moves what there is from one end to the other, and the end of the stream when it comes.
static void carry(struct end *from) {
	struct end *to = from->other;
	while (from->readable && to->wait == NULL && !from->over) {
		ssize_t n = recv(from->fd, buffer, BUFFER, 0);
		if (n > 0) {
			// A read that fills only part of the buffer has emptied the socket: what comes later makes another event, unless the end of the stream has made its own already.
			if (n < BUFFER && from->readable == 1)
				from->readable = 0;
			if (give(to, buffer, n) < 0)
				return close_both(from->conn);
		} else if (n == 0) {
			from->over = 1;
			if (!to->over)
				shutdown(to->fd, SHUT_WR);
		} else if (errno == EAGAIN) {
			from->readable = 0;
		} else {
			return close_both(from->conn);
		}
	}
	// close passes on the second end of stream as shutdown would. What waits for an end is sent before the end of its stream is read.
	if (from->over && to->over)
		close_both(from->conn);
}

static void watch(int fd, void *what, uint32_t events) {
	struct epoll_event e = {.events = events, .data.ptr = what};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll_ctl");
}

static void accept_one(void) {
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct conn *c = calloc(1, sizeof *c);
	int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c == NULL || up < 0) {
		free(c);
		close(up);
		close(fd);
		return;
	}
	c->client = (struct end){.fd = fd, .other = &c->server, .conn = c};
	c->server = (struct end){.fd = up, .other = &c->client, .conn = c};
	no_delay(fd);
	no_delay(up);
	struct sockaddr_in *to = &servers[next_server++ % server_count];
	if (connect(up, (struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
		return close_both(c);
	watch(fd, &c->client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	watch(up, &c->server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void on_event(struct end *e, uint32_t events) {
	struct conn *c = e->conn;
	if (c->dead)
		return;
	if (events & EPOLLERR)
		return close_both(c);
	if (events & (EPOLLRDHUP | EPOLLHUP))
		e->readable = 2; // read on until the end of the stream
	else if (events & EPOLLIN && e->readable == 0)
		e->readable = 1;
	if (!c->connected) {
		if (e != &c->server || !(events & EPOLLOUT))
			return;
		c->connected = 1;
		carry(&c->client);
	} else if (events & EPOLLOUT && e->wait != NULL) {
		if (give_waiting(e) < 0)
			return close_both(c);
		carry(e->other);
	}
	if (!c->dead)
		carry(e);
}

static void loop(struct sockaddr_in *at) {
	int on = 1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(listener, (struct sockaddr *)at, sizeof *at) < 0 || listen(listener, BACKLOG) < 0)
		die("listen");
	if ((ep = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1");
	watch(listener, NULL, EPOLLIN);
	for (;;) {
		struct epoll_event events[BATCH];
		int n = epoll_wait(ep, events, BATCH, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				accept_one();
			else
				on_event(events[i].data.ptr, events[i].events);
		}
		bury();
	}
}

int main(int argc, char **argv) {
	int loops = argc > 1 ? atoi(argv[1]) : 0;
	if (loops < 1 || argc < 4 || argc - 3 > SERVERS) {
		fprintf(stderr, "usage: floor LOOPS ADDRESS:PORT SERVER:PORT...\n");
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
			// A loop ends with its parent.
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			next_server = i;
			loop(&at);
		}
	}
	// A loop never ends by itself unless something is wrong: then none shall go on.
	wait(NULL);
	return 1;
}
