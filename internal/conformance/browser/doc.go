// Package browser uses the console, and the example's page, as a person does, in a real
// browser: Chromium, which must be installed, driven by chromedp. axe-core, an npm package,
// looks at each page for what keeps people from using it.
//
// `make conformance` installs axe-core first, at the version of package-lock.json and
// without running any of its scripts; `make axe` does that alone.
// ALIREFUND_SCREENSHOTS names a folder for pictures of the pages: those of docs/pictures
// are TestPictures's, made smaller by pngquant.
package browser
