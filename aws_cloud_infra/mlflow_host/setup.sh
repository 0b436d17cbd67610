#!/bin/bash
# Makes this machine the MLflow server. cloud-init runs it as root at every start. What is in place
# is left alone, and only what changed is restarted; a step that fails is done by the next run.
# Before it, __init__.py puts variables, and two functions that print files: `pins` and `start_py`.
# ROOT and PAUSE are for tests.
set -Eeuo pipefail
umask 022
trap 'echo "MLflow setup failed in line $LINENO: $BASH_COMMAND" >&2' ERR
ROOT=${ROOT:-} PAUSE=${PAUSE:-20}
home=$ROOT/opt/mlflow venv=$ROOT/opt/mlflow/venv log=$ROOT/var/log/mlflow/server.log
units=$ROOT/etc/systemd/system unit=$ROOT/etc/systemd/system/mlflow.service
agent=$ROOT/opt/aws/amazon-cloudwatch-agent/etc/mlflow.json
packages=(amazon-cloudwatch-agent logrotate python3.11 python3.11-pip)

# Try some times what needs the network.
again() {
  for _ in 1 2 3 4; do
    "$@" && return
    sleep "$PAUSE"
  done
  "$@"
}

# Write standard input to a file, whole or not at all.
put() {
  mkdir -p "${1%/*}"
  cat >"$1.new"
  if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# changed STEP FILE...: whether the files differ from what they were when the step was `done_with`.
changed() { ! sha256sum "${@:2}" | cmp -s - "$home/done/$1"; }
done_with() { sha256sum "${@:2}" | put "$home/done/$1"; }

# running SERVICE: start it if it does not run.
running() { systemctl is-active --quiet "$1" || systemctl start "$1"; }

rpm -q "${packages[@]}" >/dev/null || again dnf install -y -q "${packages[@]}"

# First of all the logs, so that whatever fails later can be read without a login.
mkdir -p "${log%/*}"
put "$agent" <<EOF
{"logs": {"logs_collected": {"files": {"collect_list": [
  {"file_path": "$log",
   "log_group_name": "$LOG_GROUP", "log_stream_name": "{instance_id}/server"},
  {"file_path": "/var/log/cloud-init-output.log",
   "log_group_name": "$LOG_GROUP", "log_stream_name": "{instance_id}/setup"}
]}}}}
EOF
if changed agent "$agent"; then
  amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c "file:$agent"
  done_with agent "$agent"
else
  running amazon-cloudwatch-agent
fi
# MLflow keeps the file open: it is copied and cut.
put "$ROOT/etc/logrotate.d/mlflow" <<EOF
$log {
  daily
  maxsize 50M
  rotate 5
  compress
  copytruncate
  missingok
  notifempty
}
EOF

id mlflow >/dev/null 2>&1 || useradd --system --no-create-home --shell /sbin/nologin mlflow
put "$home/pins.txt" < <(pins)
put "$home/start.py" < <(start_py)
if [ ! -x "$venv/bin/python" ]; then
  rm -f "$home/done/packages"
  python3.11 -m venv "$venv"
fi
if changed packages "$home/pins.txt"; then
  again "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --require-hashes --only-binary :all: -r "$home/pins.txt"
  done_with packages "$home/pins.txt"
fi

# Who signs the certificates of RDS in this region. What an earlier start fetched will do.
authorities=$home/authorities.pem
if again curl -fsS --max-time 30 -o "$authorities.fetched" \
  "https://truststore.pki.rds.amazonaws.com/$REGION/$REGION-bundle.pem"; then
  put "$authorities" <"$authorities.fetched"
  rm "$authorities.fetched"
else
  test -s "$authorities"
fi

put "$home/environment" <<EOF
AWS_DEFAULT_REGION=$REGION
BUCKET=$BUCKET
DATABASE=$DATABASE
SECRETS=$SECRETS
AUTHORITIES=$authorities
AUTHORITIES_NAME=$AUTHORITIES_NAME
HOST_NAME=$HOST_NAME
PORT=$PORT
EOF
put "$unit" <<EOF
[Unit]
Description=MLflow tracking server
Wants=network-online.target
After=network-online.target
# The database may take its time: try for ever.
StartLimitIntervalSec=0

[Service]
User=mlflow
EnvironmentFile=$home/environment
ExecStart=$venv/bin/python $home/start.py
Restart=always
RestartSec=10
StandardOutput=append:$log
StandardError=append:$log
StateDirectory=mlflow
StateDirectoryMode=0700
WorkingDirectory=/var/lib/mlflow
Environment=HOME=/var/lib/mlflow
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
EOF
service=("$unit" "$home"/{environment,start.py,pins.txt,authorities.pem})
if changed service "${service[@]}"; then
  systemctl daemon-reload
  systemctl enable --quiet mlflow
  systemctl restart mlflow
  done_with service "${service[@]}"
else
  running mlflow
fi

# Amazon Linux stays at the release of its image unless told otherwise. What runs is new after a restart.
put "$home/patch.sh" <<'EOF'
set -eo pipefail
before=$(rpm -qa | sort)
dnf upgrade -y -q --releasever=latest
if [ "$before" = "$(rpm -qa | sort)" ]; then
  echo 'MLflow host: no newer packages'
else
  echo 'MLflow host: newer packages, restarts'
  systemctl reboot
fi
EOF
put "$units/mlflow-patch.service" <<EOF
[Unit]
Description=Newest packages of Amazon Linux

[Service]
Type=oneshot
ExecStart=/bin/bash $home/patch.sh
StandardOutput=append:$log
StandardError=append:$log
EOF
put "$units/mlflow-patch.timer" <<EOF
[Unit]
Description=Newest packages of Amazon Linux, once a week

[Timer]
OnCalendar=Sun 03:00 UTC
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
EOF
patch=("$units"/mlflow-patch.*)
if changed patch "${patch[@]}"; then
  systemctl daemon-reload
  systemctl enable --quiet mlflow-patch.timer
  systemctl restart mlflow-patch.timer
  done_with patch "${patch[@]}"
fi

# `apply` waits for this line.
for ((tries = 0; tries < 90; tries++)); do
  if curl -fs -o /dev/null "http://127.0.0.1:$PORT/health"; then
    echo 'MLflow answers'
    break
  fi
  sleep "$PAUSE"
done
