package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// recording matches the names taken from folders. Behind the extension there may
// be a compression's, or what a rotation of files appends.
var recording = regexp.MustCompile(`(?i)\.(jsonl|ndjson|pb|binpb)([.-][^/]*)?$`)

// find lists the files of all paths, each once, those of a folder by name.
func find(paths []string) (files []string, err error) {
	for _, p := range paths {
		found, e := findIn(p)
		err = errors.Join(err, e)
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	if err == nil && len(files) == 0 {
		err = errors.New("read recordings: no path was given; name files or folders of OTLP JSON lines")
	}
	return files, err
}

func findIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	if !info.IsDir() {
		return []string{filepath.Clean(path)}, nil
	}
	var files []string
	// The separator makes a link to a folder that folder.
	err = filepath.WalkDir(path+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 1 && d.Name() != ".."
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden && filepath.Clean(name) != filepath.Clean(path):
			return fs.SkipDir
		case !d.IsDir() && !hidden && recording.MatchString(name) && isRegular(name):
			files = append(files, filepath.Clean(name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("read recordings: nothing in %s ends in .jsonl, .ndjson, .pb or .binpb (or one of them with .gz or .zst); name the files themselves if they are called otherwise", path)
	}
	return files, nil
}

// isRegular follows links.
func isRegular(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
