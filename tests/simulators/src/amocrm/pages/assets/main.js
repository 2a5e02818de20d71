// Modules that amoCRM's pages offer to widgets, as far as this simulator has them, and the start of the page.
window.requirejs.config({
  baseUrl: '/frontend',
  paths: { jquery: 'vendor/jquery', 'lib/components/base/modal': 'modal' },
});
window.requirejs(['app']);
