"""Throw-away HTTP servers to be registered as targets."""

import http.server
import threading


class Target(http.server.ThreadingHTTPServer):
    """Answers every request with its name, `/health` and everything else with the status that it is told."""

    daemon_threads = True

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.health, self.status = name, 200, 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    @property
    def described(self):
        return {"Id": "127.0.0.1", "Port": self.port}

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.name.encode()
        self.send_response(self.server.health if self.path == "/health" else self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
