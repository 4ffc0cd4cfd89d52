// Package weblog puts the clients' addresses back into the logs of web servers that stand behind pen. It is three tools: penlog sends a web server's log lines to penlogd;
// penlogd joins them with pen's own records as both arrive; mergelogs does the same afterwards, from files.
//
// # Formats
//
// Pen's log file has lines CLIENT EPOCH SERVER REQUEST, separated by single spaces; REQUEST ends after 100 bytes. Pen's datagrams are + CLIENT SERVER REQUEST, of at most 1024 bytes.
// CLIENT is empty if it came by a Unix socket. A web server's line is in Apache's common or combined format; its request is what stands between the first two double quotes.
//
// # Which record is a web line's
//
// One with the same server, and the same request as far as both formats carry it:
//   - requests are compared in full up to 900 bytes. That much is in every datagram: 1024 bytes leave 59 for each of two addresses, and the 1023 that penlog sends leave 122 for what
//     stands before the request;
//   - only if there is none such, it may be a record of exactly 100 bytes with which the web server's request begins: pen's file had no room for the rest.
//
// A request is never matched by a shorter prefix, and a record serves any number of web lines. Of several records penlogd takes the newest, and mergelogs the nearest in time,
// of equally near ones the first in the file.
package weblog
