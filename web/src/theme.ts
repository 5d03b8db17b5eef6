// Runs before the first paint: a theme that somebody chose holds from the first byte on.
const theme = localStorage.getItem("mreg-theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
