// The list of integrations, the settings window of a widget, and its own page (`advanced_settings`).
define(['jquery', 'lib/components/base/modal', 'widgets'], function ($, Modal, widgets) {
  'use strict';

  function text(widget, key) {
    return key.split('.').reduce(function (at, part) { return at && at[part]; }, widget.i18n) || key;
  }

  function field(widget, name, description) {
    var $row = $('<div class="widget_settings_block__item_field"></div>');
    var value = widget.settings[name] === undefined ? '' : widget.settings[name];
    if (description.type === 'custom') {
      // A hidden input and an empty element for the widget.
      $row.append($('<input type="hidden">').attr('name', name).val(value));
      $row.append($('<div></div>').attr('id', widget.code + '_custom_content').addClass('widget_settings_block__custom'));
      return $row;
    }
    var type = description.type === 'pass' ? 'password' : 'text';
    $row.append($('<div class="widget_settings_block__title_field"></div>').text(text(widget, description.name)));
    return $row.append($('<input class="widget_settings_block__controls__ text-input">').attr({ type: type, name: name }).val(value));
  }

  function tabs() {
    return '<div class="view-integration-modal__tabs"><div class="tabs">' +
      '<input type="radio" name="type_integration_modal" id="integration_desc" hidden checked>' +
      '<label class="tabs__item" for="integration_desc">Описание</label>' +
      '<input type="radio" name="type_integration_modal" id="integration_keys" hidden>' +
      '<label class="tabs__item" for="integration_keys">Ключи и доступы</label></div></div>';
  }

  function render($body, widget, page) {
    var $wrap = $('<div class="widget-settings__wrap-desc-space"></div>');
    if (page.options.native_tabs) $wrap.append(tabs());
    var $desc = $('<div class="widget-settings__desc-space"><div class="widget_settings_block"></div></div>');
    var $block = $desc.find('.widget_settings_block');
    $block.append($('<div class="widget_settings_block__descr"></div>').text(text(widget, widget.manifest.widget.description)));
    var $fields = $('<form class="widget_settings_block__fields"></form>');
    Object.keys(widget.manifest.settings || {}).forEach(function (name) {
      $fields.append(field(widget, name, widget.manifest.settings[name]));
    });
    var $controls = $('<div class="widget_settings_block__controls"></div>');
    $controls.append($('<button type="button" class="button-input js-widget-save" disabled></button>')
      .text(widget.status === 'installed' ? 'Сохранить' : 'Установить').prop('disabled', widget.status === 'installed'));
    if (widget.status === 'installed') {
      $controls.append($('<button type="button" class="button-cancel js-widget-uninstall"></button>').text('Отключить'));
    }
    $block.append($fields, $controls);
    $wrap.append($desc, '<div class="view-integration-modal__keys"></div><div class="view-integration-modal__access"></div>');
    $body.empty().append('<h2 class="widget-settings__title"></h2>', $wrap);
    $body.find('h2').text(text(widget, widget.manifest.widget.name));
  }

  function values($body) {
    var fields = {};
    $body.find('.widget_settings_block__fields').serializeArray().forEach(function (pair) { fields[pair.name] = pair.value; });
    return fields;
  }

  // `onSave` may answer `true` or a promise of it; only then the change is made.
  function change(widget, $body, action, after) {
    var fields = values($body);
    var answer = widgets.call(widget, 'onSave', [{ active: action === 'disable' ? 'N' : 'Y', fields: fields }]);
    Promise.resolve(answer).then(function (agreed) {
      if (agreed !== true) return;
      if (action === 'disable' && widget.shown) { widgets.call(widget, 'destroy'); widget.shown = false; }
      $.ajax({
        url: '/ajax/widgets/edit', method: 'POST', contentType: 'application/json',
        data: JSON.stringify({ code: widget.code, action: action, fields: fields }),
      }).done(function (state) { $.extend(widget, state); after(); });
    });
  }

  function open(widget, page) {
    return widgets.load(widget).done(function () {
      var modal = new Modal({
        class_name: 'modal-list widget-settings__modal ' + widget.code,
        disable_enter_keydown: true,
        init: function ($body) { draw($body); },
      });
      function draw($body) {
        render($body, widget, page);
        $body.trigger('modal:loaded').trigger('modal:centrify');
        if (!widget.shown) widgets.show(widget);
        widgets.call(widget, 'settings', [$body, { status: widget.status }]);
        $body.find('.widget_settings_block__fields').on('change', function () {
          $body.find('.js-widget-save').prop('disabled', false);
        });
        $body.find('.js-widget-save').on('click', function () {
          change(widget, $body, widget.status === 'installed' ? 'save' : 'install', function () { draw($body); });
        });
        $body.find('.js-widget-uninstall').on('click', function () {
          change(widget, $body, 'disable', function () { modal.destroy(); });
        });
      }
    });
  }

  function list($holder, page) {
    var $list = $('<div class="widgets-list"><h2>Интеграции</h2></div>').appendTo($holder);
    widgets.all().forEach(function (widget) {
      var $tile = $('<button type="button" class="js-widget-tile widget-tile"></button>')
        .attr({ 'data-code': widget.code, 'data-status': widget.status }).text(text(widget, widget.manifest.widget.name));
      $tile.on('click', function () { open(widget, page); });
      $list.append($tile);
    });
  }

  function ownPage($holder, widget) {
    var title = widget.manifest.advanced ? text(widget, widget.manifest.advanced.title) : '';
    $holder.append($('<div class="list__body-right__top"><h2 class="list-top__title"></h2></div>'));
    $holder.find('.list-top__title').text(title);
    $holder.append($('<div id="list_page_holder" class="list-widget"></div>').append($('<div></div>').attr('id', 'work-area-' + widget.code)));
    widgets.call(widget, 'advancedSettings');
  }

  return { list: list, open: open, ownPage: ownPage };
});
