package forwarded

import (
	"net/netip"
	"strings"
	"testing"
)

// ours is what the filter writes before the blank line for client 192.0.2.7.
const ours = "X-Forwarded-Proto: http\r\nX-Forwarded-For: 192.0.2.7\r\n"

// good are streams that come out whole. Passing ones are in others, bad ones in evil.
var good = []struct{ name, in, want string }{
	{"nothing", "", ""},
	{"GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n" + ours + "\r\n"},
	{"no header at all", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n" + ours + "\r\n"},
	{"HEAD", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /x HTTP/1.1\r\nHost: a\r\n" + ours + "\r\n"},
	{"OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" + ours + "\r\n"},
	{"PUT", "PUT /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "PUT /x HTTP/1.1\r\nContent-Length: 3\r\n" + ours + "\r\nabc"},
	{"DELETE, PATCH", "DELETE /x HTTP/1.1\r\n\r\nPATCH /x HTTP/1.1\r\n\r\n", "DELETE /x HTTP/1.1\r\n" + ours + "\r\nPATCH /x HTTP/1.1\r\n" + ours + "\r\n"},
	{"method of one's own", "m-SEARCH!#$%&'*+^_`|~ * HTTP/1.1\r\n\r\n", "m-SEARCH!#$%&'*+^_`|~ * HTTP/1.1\r\n" + ours + "\r\n"},
	{"HTTP/1.7", "GET / HTTP/1.7\r\n\r\n", "GET / HTTP/1.7\r\n" + ours + "\r\n"},
	{"absolute target", "GET http://h/a HTTP/1.1\r\n\r\n", "GET http://h/a HTTP/1.1\r\n" + ours + "\r\n"},
	{"target in UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "GET /\xc3\xa9 HTTP/1.1\r\n" + ours + "\r\n"},
	{"lines end in LF", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\nHost: a\n" + strings.ReplaceAll(ours, "\r", "") + "\n"},
	{"lines end in LF, content", "POST / HTTP/1.1\nContent-Length: 2\n\n\n\nGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\nContent-Length: 2\n" + strings.ReplaceAll(ours, "\r", "") + "\n\n\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"pipelined", "GET /1 HTTP/1.1\r\nA: b\r\n\r\nGET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\n\r\n",
		"GET /1 HTTP/1.1\r\nA: b\r\n" + ours + "\r\nGET /2 HTTP/1.1\r\n" + ours + "\r\nHEAD /3 HTTP/1.1\r\n" + ours + "\r\n"},
	{"blank lines before requests", "\r\n\nGET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\n" + ours + "\r\n\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"request inside content", "POST / HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 18\r\n" + ours + "\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"no content", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 0\r\n" + ours + "\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"content length twice, the same", "POST / HTTP/1.1\r\ncontent-length: 1\r\nCONTENT-LENGTH:\t001 \r\n\r\nx", "POST / HTTP/1.1\r\ncontent-length: 1\r\nCONTENT-LENGTH:\t001 \r\n" + ours + "\r\nx"},
	{"chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + ours + "\r\n3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"chunked with extensions and a trailer", "POST / HTTP/1.1\r\ntransfer-ENCODING:CHUNKED \r\n\r\n2 \t;a=\"b;c\";d\r\n\r\n\r\n0;x\r\nDigest: y\r\nEtag: z\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\ntransfer-ENCODING:CHUNKED \r\n" + ours + "\r\n2 \t;a=\"b;c\";d\r\n\r\n\r\n0;x\r\nDigest: y\r\nEtag: z\r\n\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},

	{"a list is extended", "GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\n\r\n"},
	{"any case, blanks at its end", "GET / HTTP/1.1\r\nx-forwarded-FOR:1.1.1.1 \t\r\n\r\n", "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nx-forwarded-FOR:1.1.1.1, 192.0.2.7\r\n\r\n"},
	{"the last of several", "GET / HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\nA: b\r\nX-Forwarded-For: 2.2.2.2\r\nx-forwarded-for: 3.3.3.3\r\nC: d\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nC: d\r\nX-Forwarded-Proto: http\r\nx-forwarded-for: 3.3.3.3, 192.0.2.7\r\n\r\n"},
	{"an empty list", "GET / HTTP/1.1\r\nX-FORWARDED-FOR: \r\n\r\n", "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nX-FORWARDED-FOR: 192.0.2.7\r\n\r\n"},
	{"an IPv6 list", "GET / HTTP/1.1\r\nX-Forwarded-For: ::\r\n\r\n", "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: ::, 192.0.2.7\r\n\r\n"},
	{"a list in LF", "GET / HTTP/1.1\nX-Forwarded-For: a\n\n", "GET / HTTP/1.1\nX-Forwarded-Proto: http\nX-Forwarded-For: a, 192.0.2.7\n\n"},
	{"the list does not live on", "GET / HTTP/1.1\r\nX-Forwarded-For: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: a, 192.0.2.7\r\n\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
	{"proto is replaced", "GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nA: b\r\nx-forwarded-proto: wss\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n" + ours + "\r\n"},
	{"underscores", "GET / HTTP/1.1\r\nX_Forwarded_For: a\r\nx-forwarded_proto: https\r\nA_b: c\r\nContent_Length: 9\r\nTransfer_Encoding: x\r\n\r\n",
		"GET / HTTP/1.1\r\nA_b: c\r\nContent_Length: 9\r\nTransfer_Encoding: x\r\n" + ours + "\r\n"},
	{"names that only begin so", "GET / HTTP/1.1\r\nX-Forwarded-Format: a\r\nX-Forwarded: b\r\nForwarded: for=c\r\nX-Forwarded-Proto-Version: 1\r\nContent-Lengthy: z\r\n\r\n",
		"GET / HTTP/1.1\r\nX-Forwarded-Format: a\r\nX-Forwarded: b\r\nForwarded: for=c\r\nX-Forwarded-Proto-Version: 1\r\nContent-Lengthy: z\r\n" + ours + "\r\n"},

	{"upgrade refused", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nGET / HTTP/1.1\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n",
		"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" + ours + "\r\nGET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 9.9.9.9, 192.0.2.7\r\n\r\n"},
	{"CONNECT refused", "CONNECT a:80 HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nContent-Length: 0\r\n" + ours + "\r\nGET / HTTP/1.1\r\n" + ours + "\r\n"},
}

// others pass as they are from some point on, whatever follows.
var others = []struct{ name, in, want string }{
	{"TLS hello", "\x16\x03\x01\x02\x00GET / HTTP/1.1\r\n\r\n", ""},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12GET / HTTP/1.1\r\n\r\n", ""},
	{"PROXY version 2", "\r\n\r\n\x00\r\nQUIT\nGET / HTTP/1.1\r\n\r\n", ""},
	{"SSH", "SSH-2.0-x\r\nGET / HTTP/1.1\r\n\r\n", ""},
	{"SMTP", "EHLO me\r\nGET / HTTP/1.1\r\n\r\n", ""},
	{"RTSP", "OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\n\r\n", ""},
	{"LDAP", "0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00 and a line\n\n", ""},
	{"a word", "QUIT\nGET / HTTP/1.1\n\n", ""},
	{"high bytes", "\xff\xf4\xff\xfd\x06", ""},

	{"websocket", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x85abcdGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n" + ours + "\r\n\x81\x85abcdGET / HTTP/1.1\r\n\r\n"},
	{"upgrade with content", "POST / HTTP/1.1\r\nupgrade: x\r\nContent-Length: 2\r\n\r\nab\x00GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nupgrade: x\r\nContent-Length: 2\r\n" + ours + "\r\nab\x00GET / HTTP/1.1\r\n\r\n"},
	{"upgrade to lines", "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nhello\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: x\r\n" + ours + "\r\nhello\nGET / HTTP/1.1\r\n\r\n"},
	{"upgrade to HTTP/2", "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: h2c\r\n" + ours + "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n"},
	{"tunnel", "CONNECT a:443 HTTP/1.1\r\n\r\n\x16\x03\x01GET / HTTP/1.1\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\n" + ours + "\r\n\x16\x03\x01GET / HTTP/1.1\r\n\r\n"},
}

// evil are streams of which nothing comes out from some point on.
var evil = []struct{ name, in, want, cause string }{
	{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "POST / HTTP/1.1\r\nContent-Length: 1\r\n", "differing Content-Lengths"},
	{"list of lengths", "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx", "POST / HTTP/1.1\r\n", "malformed Content-Length"},
	{"signed length", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx", "POST / HTTP/1.1\r\n", "malformed Content-Length"},
	{"hexadecimal length", "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\nx", "POST / HTTP/1.1\r\n", "malformed Content-Length"},
	{"no length", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\nx", "POST / HTTP/1.1\r\n", "malformed Content-Length"},
	{"too long a length", "POST / HTTP/1.1\r\nContent-Length: 1000000000000000000\r\n\r\nx", "POST / HTTP/1.1\r\n", "malformed Content-Length"},
	{"length and chunked", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Content-Length and Transfer-Encoding"},
	{"chunked and no length", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", "Content-Length and Transfer-Encoding"},
	{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding in HTTP/1.0"},
	{"chunked twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding other than chunked"},
	{"another coding", "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "POST / HTTP/1.1\r\n", "Transfer-Encoding other than chunked"},
	{"another coding first", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "POST / HTTP/1.1\r\n", "Transfer-Encoding other than chunked"},
	{"chunked with a Kelvin sign", "POST / HTTP/1.1\r\nTransfer-Encoding: chun\u212aed\r\n\r\n", "POST / HTTP/1.1\r\n", "Transfer-Encoding other than chunked"},
	{"identity", "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "POST / HTTP/1.1\r\n", "Transfer-Encoding other than chunked"},
	{"CONNECT with content", "CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n", "CONNECT with content"},
	{"CONNECT with chunks", "CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx", "CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "CONNECT with content"},

	{"blank before the colon", "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"folded", "GET / HTTP/1.1\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n", "malformed header line"},
	{"blank line with a blank", "GET / HTTP/1.1\r\n \r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"no colon", "GET / HTTP/1.1\r\nA\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"no name", "GET / HTTP/1.1\r\n: a\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"odd byte in a name", "GET / HTTP/1.1\r\n\vX-Forwarded-For: a\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"CR in a value", "GET / HTTP/1.1\r\nA: b\rX-Forwarded-For: a\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"two CRs", "GET / HTTP/1.1\r\nA: b\r\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"NUL in a value", "GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},
	{"LF among CRLF", "GET / HTTP/1.1\r\nA: b\nX-Forwarded-For: a\r\n\r\n", "GET / HTTP/1.1\r\n", "LF and CRLF in one header"},
	{"CRLF among LF", "GET / HTTP/1.1\nA: b\r\n\n", "GET / HTTP/1.1\n", "LF and CRLF in one header"},
	{"LF as the blank line", "GET / HTTP/1.1\r\n\n", "GET / HTTP/1.1\r\n", "LF and CRLF in one header"},
	{"the held list goes with it", "GET / HTTP/1.1\r\nX-Forwarded-For: a\r\nA\r\n\r\n", "GET / HTTP/1.1\r\n", "malformed header line"},

	{"two blanks", "GET  / HTTP/1.1\r\nX-Forwarded-For: a\r\n\r\n", "GET  / HTTP/1.1\r\n", "malformed request line"},
	{"blank in the target", "GET /a b HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\n", "malformed request line"},
	{"blank at the end", "POST / HTTP/1.1 \r\n\r\n", "POST / HTTP/1.1 \r\n", "malformed request line"},
	{"tabs", "POST\t/\tHTTP/1.1\r\n\r\n", "POST\t/\tHTTP/1.1\r\n", "malformed request line"},
	{"blank before", " POST / HTTP/1.1\r\n\r\n", " POST / HTTP/1.1\r\n", "malformed request line"},
	{"CR before", "\rPOST / HTTP/1.1\r\n\r\n", "\rPOST / HTTP/1.1\r\n", "malformed request line"},
	{"CR inside", "POST /\r HTTP/1.1\r\n\r\n", "POST /\r HTTP/1.1\r\n", "malformed request line"},
	{"NUL inside", "POST /\x00 HTTP/1.1\r\n\r\n", "POST /\x00 HTTP/1.1\r\n", "malformed request line"},
	{"small letters", "POST / http/1.1\r\n\r\n", "POST / http/1.1\r\n", "malformed request line"},
	{"no target", "POST HTTP/1.1\r\n\r\n", "POST HTTP/1.1\r\n", "malformed request line"},
	{"empty target", "POST  HTTP/1.1\r\n\r\n", "POST  HTTP/1.1\r\n", "malformed request line"},
	{"another version", "POST / HTTP/2.0\r\n\r\n", "POST / HTTP/2.0\r\n", "malformed request line"},
	{"longer version", "POST / HTTP/1.11\r\n\r\n", "POST / HTTP/1.11\r\n", "malformed request line"},
	{"version of letters", "POST / HTTP/1.x\r\n\r\n", "POST / HTTP/1.x\r\n", "malformed request line"},
	{"method that is no token", "PO{ST / HTTP/1.1\r\n\r\n", "PO{ST / HTTP/1.1\r\n", "malformed request line"},
	{"HTTP/0.9", "GET /\r\nX-Forwarded-For: a\r\n\r\n", "GET /\r\n", "malformed request line"},
	{"blanks only", " \t \r\nGET / HTTP/1.1\r\n\r\n", " \t \r\n", "blanks before a request"},
	{"preface in LF", "PRI * HTTP/2.0\n\nSM\n\n", "PRI * HTTP/2.0\n", "malformed request line"},
	{"broken preface", "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "malformed HTTP/2 preface"},
	{"preface as a second request", "GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n" + ours + "\r\nPRI * HTTP/2.0\r\n", "malformed request line"},
	{"something else as a second request", "GET / HTTP/1.1\r\n\r\nhello\r\n", "GET / HTTP/1.1\r\n" + ours + "\r\nhello\r\n", "no request where one is due"},
	{"TLS as a second request", "GET / HTTP/1.1\r\n\r\n\x16\x03\x01", "GET / HTTP/1.1\r\n" + ours + "\r\n", "no request where one is due"},
	{"more content than said", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxy\r\n", "POST / HTTP/1.1\r\nContent-Length: 1\r\n" + ours + "\r\nxy\r\n", "no request where one is due"},
	{"malformed after upgrade", "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nGET / HTTP/1.1 \r\n", "GET / HTTP/1.1\r\nUpgrade: x\r\n" + ours + "\r\nGET / HTTP/1.1 \r\n", "malformed request line"},

	{"no size", chunked("\r\nabc"), chunkedOut(""), "malformed chunk"},
	{"size that is no number", chunked("x\r\nabc"), chunkedOut(""), "malformed chunk"},
	{"size with a prefix", chunked("0x3\r\nabc"), chunkedOut("0"), "malformed chunk"},
	{"signed size", chunked("+3\r\nabc"), chunkedOut(""), "malformed chunk"},
	{"size of 17 digits", chunked("00000000000000003\r\nabc"), chunkedOut("0000000000000000"), "malformed chunk"},
	{"size line ends in LF", chunked("3\nabc"), chunkedOut("3"), "malformed chunk"},
	{"size line ends in CR", chunked("3\rabc"), chunkedOut("3\r"), "malformed chunk"},
	{"second size", chunked("3 3\r\nabc"), chunkedOut("3 "), "malformed chunk"},
	{"extension ends in LF", chunked("3;a\nabc"), chunkedOut("3;a"), "malformed chunk"},
	{"NUL in an extension", chunked("3;\x00\r\nabc"), chunkedOut("3;"), "malformed chunk"},
	{"data longer than said", chunked("3\r\nabcd"), chunkedOut("3\r\nabc"), "malformed chunk"},
	{"data ends in LF", chunked("3\r\nabc\n"), chunkedOut("3\r\nabc"), "malformed chunk"},
	{"data ends in CR", chunked("3\r\nabc\rx"), chunkedOut("3\r\nabc\r"), "malformed chunk"},
	{"trailer ends in LF", chunked("0\r\nA: b\n\r\n"), chunkedOut("0\r\n"), "malformed trailer"},
	{"no colon in a trailer", chunked("0\r\nA\r\n\r\n"), chunkedOut("0\r\n"), "malformed trailer"},
	{"list in a trailer", chunked("0\r\nA: b\r\nX-Forwarded-For: a\r\n\r\n"), chunkedOut("0\r\nA: b\r\n"), "malformed trailer"},
	{"proto in a trailer", chunked("0\r\nX-Forwarded-Proto: a\r\n\r\n"), chunkedOut("0\r\n"), "malformed trailer"},
	{"length in a trailer", chunked("0\r\nContent-Length: 5\r\n\r\n"), chunkedOut("0\r\n"), "malformed trailer"},
}

func chunked(content string) string {
	return "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + content
}

func chunkedOut(content string) string {
	return "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + ours + "\r\n" + content
}

func TestGoodStreams(t *testing.T) {
	for _, c := range good {
		check(t, c.name, c.in, result{out: c.want})
	}
}

func TestOtherProtocolsPass(t *testing.T) {
	for _, c := range others {
		want := c.want
		if want == "" {
			want = c.in
		}
		check(t, c.name, c.in, result{out: want, passing: true})
	}
}

func TestEvilStreams(t *testing.T) {
	for _, c := range evil {
		check(t, c.name, c.in, result{out: c.want, cause: c.cause})
		if got := filtered(here, false, c.in, "GET / HTTP/1.1\r\nX-Forwarded-For: a\r\n\r\n"); got.out != c.want {
			t.Errorf("%s: after all %q comes out", c.name, strings.TrimPrefix(got.out, c.want))
		}
	}
}

// check puts a stream through in one piece, in two pieces cut at every point, byte by byte, and says where the outcome is not the one wanted.
func check(t *testing.T, name, in string, want result) {
	t.Helper()
	if got := filtered(here, true, in); got != want {
		t.Errorf("%s: %q\n got %v\nwant %v", name, in, got, want)
		return
	}
	for at := range in {
		if got := filtered(here, true, in[:at], in[at:]); got != want {
			t.Errorf("%s: cut at %d, %q + %q\n got %v\nwant %v", name, at, in[:at], in[at:], got, want)
			return
		}
	}
	if got := filtered(here, true, strings.Split(in, "")...); got.cause != want.cause || got.passing != want.passing || got.out != want.out {
		t.Errorf("%s: byte by byte\n got %v\nwant %v", name, got, want)
	}
}

// What the field says for each kind of client. PEN.md 1.12; Pen 0.34.1 writes an empty value for a Unix client.
func TestClients(t *testing.T) {
	for _, c := range []struct {
		client        netip.Addr
		alone, inList string
	}{
		{here, "192.0.2.7", "a, 192.0.2.7"},
		{six, "2001:db8::7", "a, 2001:db8::7"},
		{netip.MustParseAddr("::ffff:192.0.2.7"), "192.0.2.7", "a, 192.0.2.7"},
		{netip.MustParseAddr("fe80::7%eth0"), "fe80::7", "a, fe80::7"},
		{unix, "", "a, unknown"},
	} {
		for list, want := range map[string]string{"": c.alone, "X-Forwarded-For: a\r\n": c.inList, "X-Forwarded-For:\r\n": c.alone} {
			in := "GET / HTTP/1.1\r\n" + list + "\r\n"
			out := "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: " + want + "\r\n\r\n"
			if got := filtered(c.client, true, in); got.out != out {
				t.Errorf("%v, %q: %q, want %q", c.client, list, got.out, out)
			}
		}
	}
	f := New(here, "https")
	if got := string(f.Append(nil, []byte("GET / HTTP/1.1\r\n\r\n"))); !strings.Contains(got, "\r\nX-Forwarded-Proto: https\r\n") {
		t.Errorf("https: %q", got)
	}
}
