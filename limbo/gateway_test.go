package limbo

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"llama9/tests/proc"
	"time"
)

// TestGateway: llama9/gateway in one emu, its clients in another, with an
// algorithm that protects the connection.
func TestGateway(t *testing.T) {
	i := findInferno(t)
	n := node(t, "1ms")
	enc, hash := algorithms(t, i)
	dir := t.TempDir()
	key, other := keys(t)+"/key", keys(t)+"/other"
	addr := closed(t)
	ready, end := fifo(t, dir, "ready"), fifo(t, dir, "end")

	gateway := make(chan error, 1)
	go func() {
		out, err := i.exec(t, `
			llama9/gateway -a $b -a $c -k $a $d $e
			os sh -c $f
			os cat $g
		`, key, enc, hash, addr, n.addr, "echo >"+ready.Name(), end.Name())
		if err == nil && out != "" {
			err = fmt.Errorf("it says %s", out)
		}
		ready.Close() // who waits for it need not
		gateway <- err
	}()
	ready.SetReadDeadline(time.Now().Add(deadline))
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Errorf("the gateway is not ready: %v", err)
	} else {
		closedWire, secret := tap(t, addr)
		open, plain := tap(t, n.addr)
		script(t, i, "gateway", 10, closedWire, open, key, enc+" "+hash, other)
		if strings.Contains(secret.String(), "why is the sky blue") || len(secret.String()) < 1000 {
			t.Errorf("the prompt can be read on the way to the gateway: %q", secret)
		}
		if !strings.Contains(plain.String(), "why is the sky blue") {
			t.Errorf("the prompt is not seen on the way to the node: %q", plain)
		}
	}
	end.Close()
	if err := <-gateway; err != nil {
		t.Errorf("the gateway: %v", err)
	}
}

// algorithms gives one to encrypt and one to digest that this Inferno has: the
// classic and the 64-bit one have none in common that both would take.
func algorithms(t *testing.T, i inferno) (enc, hash string) {
	t.Helper()
	out, err := i.run("{n=`{read}; cat '#D/'^$n^/encalgs} < '#D/clone'\n")
	if err != nil {
		t.Fatalf("what ssl(3) can: %v\n%s", err, out)
	}
	if strings.Contains(out, "rc4_256") {
		return "rc4_256", "sha1"
	}
	return "aes_256_cbc", "sha256"
}

// fifo makes one, and opens it so that neither end waits for the other.
func fifo(t *testing.T, dir, name string) *os.File {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// tap is another address of addr, and all that is sent to it.
func tap(t *testing.T, addr string) (string, *proc.Log) {
	t.Helper()
	seen := new(proc.Log)
	f := strings.Split(addr, "!")
	return listen(t, func(c net.Conn) {
		to, err := net.Dial(f[0], net.JoinHostPort(f[1], f[2]))
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		go func() { // ends with either connection
			io.Copy(c, to)
			c.Close()
		}()
		io.Copy(io.MultiWriter(to, seen), c)
	}), seen
}
