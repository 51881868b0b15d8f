package dashboards

import "net/http"

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if why := s.opt.Status().NotReady; why != "" {
		fail(w, http.StatusServiceUnavailable, "not ready: %s", why)
		return
	}
	s.reply(w, r, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) showStatus(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, http.StatusOK, s.opt.Status())
}
