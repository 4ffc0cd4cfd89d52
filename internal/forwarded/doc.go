// Package forwarded adds X-Forwarded-Proto and X-Forwarded-For to every HTTP/1.x request of a client's byte stream.
//
// Filter reads the bytes that come from one client, in whatever pieces they come, and gives the bytes to send to the server. It follows the framing of each message
// (RFC 9112: Content-Length, chunked with extensions and trailers) to know where the next request begins. Both fields stand at the end of the header, Proto before For,
// where Pen puts them. A client's own X-Forwarded-For is a list that ours is appended to; its last line moves to the end. A client's own X-Forwarded-Proto is removed,
// and so is either name spelt with underscores, which a CGI-like server cannot tell from ours.
//
// # What is not HTTP/1.x
//
// A stream whose first line is no HTTP/1.x request (a TLS hello, HTTP/2's preface, any other protocol) passes untouched for good, and Passing says so; nothing of it is
// held back. The same holds for what follows a request with an Upgrade field and a CONNECT request, since the server may have switched protocols. That it has is not taken on trust:
// if what follows is an HTTP/1.x request after all, it is one, or else any client could turn the filter off with a field that the server ignores.
// Inside HTTP/2 nothing is added and nothing removed: a server that speaks it without TLS must not trust these fields.
//
// # What is bad
//
// If a message can be read in two ways, the server might read a request where the filter sees content, and trust what the client wrote there. Such a stream is bad: from the byte that shows
// it nothing more comes out, and Bad and Cause say so; the caller closes both connections. Bad are: Content-Length with Transfer-Encoding; differing or malformed
// Content-Lengths; a Transfer-Encoding other than exactly "chunked", or in HTTP/1.0; content of a CONNECT; malformed chunks, including ones that end in a bare LF; a field without a colon,
// with a name that is no token, folded, or holding a CR or NUL; LF and CRLF mixed in one header; framing or forwarding fields in a trailer; a malformed request line that a lenient server may
// still take for HTTP; anything else in a connection that began as HTTP; a line longer than 64 KiB; a stream that ends inside a header.
// HAProxy refuses nearly the same by default, and RFC 9112 lets or makes a server refuse all of it.
//
// The size of a header as a whole is not bounded: no more than one line of it and the last X-Forwarded-For are ever held.
package forwarded
