// A small Go client for the tests: METHOD URL, with Go's own TLS and its own
// reading of the proxy variables.  Prints the status and the body.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: goclient METHOD URL")
		os.Exit(2)
	}
	request, err := http.NewRequest(os.Args[1], os.Args[2], nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
	_, _ = io.Copy(os.Stdout, response.Body)
}
