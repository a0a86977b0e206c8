/** nginx as a plain proxy with one worker and kept-alive connections on both sides. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Place, Start } from "./Target.ts"

const configuration = ({ folder, port, upstream }: Place): string => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.err crit;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  upstream server_behind { server ${new URL(upstream).host}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://server_behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }
}
`

export const nginx = (place: Place): Start => {
  const file = join(place.folder, "nginx.conf")
  writeFileSync(file, configuration(place))
  return { command: "nginx", args: ["-p", place.folder, "-e", join(place.folder, "nginx.err"), "-c", file] }
}
