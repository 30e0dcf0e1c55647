"""A git server over SSH on one address: takes anyone in and runs git-upload-pack, nothing else.

    sshgit.py ADDRESS PORT REPOSITORIES
"""
import shlex
import socket
import subprocess
import sys
import threading

import paramiko

CHUNK = 32768


class Anyone(paramiko.ServerInterface):
    def __init__(self, root):
        self.root = root

    def check_auth_none(self, _user):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, _user):
        return "none"

    def check_channel_request(self, kind, _chanid):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_env_request(self, *_args):
        return True

    def check_channel_exec_request(self, channel, command):
        words = shlex.split(command.decode())
        if len(words) != 2 or words[0] != "git-upload-pack":
            return False
        threading.Thread(target=serve, args=(channel, self.root + words[1]), daemon=True).start()
        return True


def pump(channel, into):
    while data := channel.recv(CHUNK):
        into.write(data)
        into.flush()
    into.close()


def serve(channel, repository):
    git = subprocess.Popen(["git", "-c", "safe.directory=*", "upload-pack", repository],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    threading.Thread(target=pump, args=(channel, git.stdin), daemon=True).start()
    while data := git.stdout.read(CHUNK):
        channel.sendall(data)
    channel.send_exit_status(git.wait())
    channel.close()


def main(address, port, root):
    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server((address, int(port)))
    print("ready", flush=True)
    while True:
        sock, _ = listener.accept()
        transport = paramiko.Transport(sock)
        transport.add_server_key(key)
        try:
            transport.start_server(server=Anyone(root))
        except (paramiko.SSHException, EOFError):
            transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
