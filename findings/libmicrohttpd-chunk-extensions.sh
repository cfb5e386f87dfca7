#!/bin/bash
#
# libmicrohttpd 1.0.1 refuses requests whose chunks have extensions; older and
# newer versions take them.
#
# One would guess that a server's library, from one stable Debian to the next,
# goes on reading what HTTP/1.1 allows: a chunk's size may be followed by
# extensions, and a server must ignore those that it does not know.
#
# Debian 13 has the version between. It answers 400, "chunked encoding is
# syntactically incorrect", to an extension of a chunk with data, and takes one
# of the last chunk, which has none. Being less strict by
# MHD_OPTION_CLIENT_DISCIPLINE_LVL changes nothing. At level 1, which is meant for
# busy public servers and to be within the limits of HTTP, it refuses an extension
# of the last chunk, too, because of an "LF character without preceding CR", which
# nobody has sent.
#
# A client, or a proxy, that marks its chunks works with a gateway to a stream on
# Debian 12 and on the next one, and not on 13. A gateway's test must accept
# both, and clients should send a Content-Length.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages libmicrohttpd12
packages_of_suite trixie libmicrohttpd12t64
packages_of_suite sid libmicrohttpd12t64
cat >"$scratch/run.py" <<'END'
import ctypes
import ctypes.util
import socket
import sys
END, DISCIPLINE, POLLING_THREAD, BIND_PORT = 0, 38, 8, 6
pointer = ctypes.c_void_p
handler_type = ctypes.CFUNCTYPE(
    ctypes.c_int, pointer, pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p,
    pointer, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(pointer))
library = ctypes.CDLL(sys.argv[1])
library.MHD_start_daemon.restype = library.MHD_get_daemon_info.restype = pointer
library.MHD_create_response_from_buffer.restype = pointer
def handle(_, connection, url, method, version, data, size, state):
    if not state[0]:  # the headers are there
        state[0] = 1
    elif size[0]:  # data; it was read
        size[0] = 0
    else:
        response = pointer(library.MHD_create_response_from_buffer(ctypes.c_size_t(0), None, 0))
        library.MHD_queue_response(pointer(connection), 200, response)
        library.MHD_destroy_response(response)
    return 1
handler = handler_type(handle)
def ask(what, chunks, *options):
    daemon = pointer(library.MHD_start_daemon(POLLING_THREAD, 0, None, None, handler, None, *options, END))
    info = library.MHD_get_daemon_info(daemon, BIND_PORT)
    port = ctypes.cast(info, ctypes.POINTER(ctypes.c_uint16))[0]
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        print(f"{sys.argv[2]}, {what}\t{client.makefile('rb').readline().split()[1].decode()}")
    library.MHD_stop_daemon(daemon)
ask("no extension", b"2\r\n{}\r\n0\r\n\r\n")
ask("extension", b"2;x=y\r\n{}\r\n0\r\n\r\n")
ask("extension of the last chunk", b"2\r\n{}\r\n0;x=y\r\n\r\n")
if sys.argv[2] != "Debian 12":  # which does not have the option
    ask("extension, lenient", b"2;x=y\r\n{}\r\n0\r\n\r\n", DISCIPLINE, -3)
    ask("extension of the last chunk, strict", b"2\r\n{}\r\n0;x=y\r\n\r\n", DISCIPLINE, 1)
END
ask()
{
	python3 "$scratch/run.py" "$(echo "$1"/usr/lib/*/libmicrohttpd.so.12)" "$2"
}
expect_lines "$(ask "$packages" 'Debian 12')" <<'END'
Debian 12, no extension	200
Debian 12, extension	200
Debian 12, extension of the last chunk	200
END
expect_lines "$(ask "$scratch/trixie" 'Debian 13')" <<'END'
Debian 13, no extension	200
Debian 13, extension	400
Debian 13, extension of the last chunk	200
Debian 13, extension, lenient	400
Debian 13, extension of the last chunk, strict	400
END
expect_lines "$(ask "$scratch/sid" sid)" <<'END'
sid, no extension	200
sid, extension	200
sid, extension of the last chunk	200
sid, extension, lenient	200
sid, extension of the last chunk, strict	200
END
finish
