// amoCRM's `lib/components/base/modal` (web_sdk/mechanics): the options that its documentation lists, its events, its handling
// of Enter and Escape, and `destroy` with a veto. The close cross is the content's own.
define(['jquery'], function ($) {
  'use strict';

  var stack = [];

  function Modal(options) {
    this.options = $.extend({}, options);
    this.open();
  }

  Modal.prototype.open = function () {
    var self = this;
    var options = this.options;
    this.$el = $('<div class="modal"><div class="modal-scroller custom-scroll"><div class="modal-body"></div></div></div>');
    this.$el.addClass(options.class_name || '');
    this.$modal_body = this.$el.find('.modal-body');
    if (options.default_overlay !== false) {
      this.$el.prepend('<div class="default-overlay modal-overlay"></div>');
    }
    $(options.container || document.body).append(this.$el);
    stack.push(this);
    this.$el.on('click', '.modal-scroller', function (event) {
      if (event.target === this && !options.disable_overlay_click) self.destroy();
    });
    if (!options.disable_cancel_click) {
      this.$el.on('click', '.js-modal-cancel', function () { self.destroy(); });
    }
    this.$modal_body.on('modal:centrify', function () { self.centrify(); });
    this.$modal_body.on('modal:loaded', function () { self.$el.addClass('modal_loaded'); });
    this.onKey = function (event) { self.key(event); };
    // Bubbling phase on the document, as amoCRM: content that stops the event keeps the key.
    document.addEventListener('keydown', this.onKey);
    if (options.init) options.init(this.$modal_body);
    if (options.focus_element) this.$el.find(options.focus_element).focus();
  };

  Modal.prototype.key = function (event) {
    if (stack[stack.length - 1] !== this) return;
    if (event.key === 'Escape' && !this.options.disable_escape_keydown) {
      this.destroy();
    } else if (event.key === 'Enter' && !this.options.disable_enter_keydown) {
      this.$modal_body.find('.js-modal-accept').first().trigger('click');
    }
  };

  Modal.prototype.centrify = function () {
    if (this.options.disable_resize) return;
    var height = this.$modal_body.outerHeight();
    var room = window.innerHeight;
    this.$modal_body.css('margin-top', height < room ? (room - height) / 2 + 'px' : '20px');
  };

  // `false` from the option `destroy` keeps the window open.
  Modal.prototype.destroy = function () {
    if (this.destroyed) return;
    if (this.options.destroy && this.options.destroy() === false) return;
    this.destroyed = true;
    stack = stack.filter(function (other) { return other !== this; }, this);
    document.removeEventListener('keydown', this.onKey);
    this.$el.remove();
  };

  return Modal;
});
